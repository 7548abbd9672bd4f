import type { AdmissionPlugin } from "./admission.ts";
import { writtenPod } from "./request.ts";

const seconds = 300;
const keys = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/** A pod stays five minutes on a node that is not ready or not reachable, unless it says otherwise. */
export const defaultTolerationSeconds: AdmissionPlugin = {
  name: "DefaultTolerationSeconds",
  resources: ["pods"],
  admit(request) {
    const pod = writtenPod(request);
    if (!pod) return;
    const present = pod.spec.tolerations ?? [];
    const added = keys
      .filter((key) => !present.some((t) => (t.key === key || !t.key) && (t.effect === "NoExecute" || !t.effect)))
      .map((key) => ({ key, operator: "Exists" as const, effect: "NoExecute" as const, tolerationSeconds: seconds }));
    if (added.length > 0) pod.spec.tolerations = [...present, ...added];
  },
};
