import type { Pod } from "../../api/types/core.v1.ts";
import type { KubeletContext } from "../context.ts";
import { hostnameOf } from "./hosts.ts";
import type { PodState } from "../runtime/runtime.ts";

/** Makes a new sandbox for a pod. Throws with the reason when it cannot be made. */
export async function createSandbox(context: KubeletContext, pod: Pod, state: PodState): Promise<string> {
  const { hostNetwork = false, hostPID = false, hostIPC = false, securityContext } = pod.spec;
  if (!hostNetwork && !context.networkReady()) throw new Error("the node's pod network is not ready");
  const { uid, name, namespace } = pod.metadata;
  return context.runtime.createSandbox({
    pod: { uid, name, namespace },
    attempt: (state.sandboxes[0]?.attempt ?? -1) + 1,
    hostname: hostNetwork ? "" : hostnameOf(pod, context.clusterDomain).hostname,
    hostNetwork,
    hostPID,
    hostIPC,
    sysctls: Object.fromEntries((securityContext?.sysctls ?? []).map((s) => [s.name, s.value])),
  });
}
