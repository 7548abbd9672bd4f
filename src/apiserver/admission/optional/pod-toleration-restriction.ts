import { qosClassOf } from "../../../api/core/pod-defaults.ts";
import { deepEqual } from "../../../api/meta/equality.ts";
import type { Toleration } from "../../../api/types/core.v1.ts";
import { Namespaces } from "../../../api/types/resources.ts";
import { configurationOf, integer, list, object, text } from "../../configuration/shape.ts";
import type { Objects } from "../../objects.ts";
import type { AdmissionPlugin, AdmissionRequest } from "../admission.ts";
import { refuse, writtenPod } from "../request.ts";

const toleration = object({ key: text, operator: text, value: text, effect: text, tolerationSeconds: integer });
const kind = {
  versions: ["podtolerationrestriction.admission.k8s.io/v1alpha1"],
  kind: "Configuration",
  fields: { default: list(toleration), whitelist: list(toleration) },
};

type Given = ReturnType<typeof toleration.read>;

const prefix = "scheduler.alpha.kubernetes.io/";

/**
 * Pods get the tolerations that their namespace's annotation defaultTolerations gives, and may have those only that its
 * tolerationsWhitelist covers; what an annotation leaves open the configuration says. Throws for one that makes no sense.
 */
export function podTolerationRestriction(objects: Objects, configuration: unknown): AdmissionPlugin {
  const cluster = configuration === undefined ? {} : configurationOf(configuration, kind);
  const annotated = (request: AdmissionRequest, name: string): readonly Given[] | undefined => {
    const value = objects.get(Namespaces, undefined, request.namespace)?.metadata.annotations?.[prefix + name];
    if (value === undefined) return undefined;
    try {
      return value === "" ? [] : list(toleration).read(JSON.parse(value), name);
    } catch (error) {
      throw refuse(request, `annotation ${prefix}${name}: ${error instanceof Error ? error.message : error}`);
    }
  };
  return {
    name: "PodTolerationRestriction",
    resources: ["pods"],
    admit(request) {
      const pod = writtenPod(request);
      if (!pod) return;
      const more = request.operation === "CREATE" ? [...(annotated(request, "defaultTolerations") ?? cluster.default ?? [])] : [];
      if (qosClassOf(pod.spec) !== "BestEffort")
        more.push({ key: "node.kubernetes.io/memory-pressure", operator: "Exists", effect: "NoSchedule" });
      // The annotation is as its author wrote it: validation looks at the pod.
      if (more.length > 0) pod.spec.tolerations = merged([...(pod.spec.tolerations ?? []), ...(more as Toleration[])]);
    },
    validate(request) {
      const tolerations = writtenPod(request)?.spec.tolerations;
      if (!tolerations?.length) return;
      const own = annotated(request, "tolerationsWhitelist");
      const allowed = own ?? cluster.whitelist ?? [];
      if (allowed.length > 0 && !tolerations.every((one) => allowed.some((wide) => covers(wide, one))))
        throw refuse(
          request,
          `pod tolerations (possibly merged with namespace default tolerations) conflict with its ${own ? "namespace" : "cluster"} whitelist`,
        );
    },
  };
}

/** Without those that another covers; of equal ones the first stays. */
function merged(all: readonly Toleration[]): Toleration[] {
  return all.filter((one, index) => !all.some((other, at) => at !== index && covers(other, one) && (at < index || !deepEqual(other, one))));
}

/** Whether `wide` tolerates everything that `one` does. */
function covers(wide: Given, one: Given): boolean {
  if (deepEqual(wide, one)) return true;
  if (wide.key !== one.key && !(!wide.key && wide.operator === "Exists")) return false;
  if (wide.effect && wide.effect !== one.effect) return false;
  if (wide.effect === "NoExecute" && wide.tolerationSeconds !== undefined)
    if (one.tolerationSeconds === undefined || one.tolerationSeconds > wide.tolerationSeconds) return false;
  if (wide.operator === "Exists") return true;
  return (one.operator ?? "Equal") === "Equal" && (wide.value ?? "") === (one.value ?? "");
}
