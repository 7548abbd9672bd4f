import type { Job, PodFailurePolicyRule } from "../../api/types/batch.v1.ts";
import type { ContainerStatus, Pod } from "../../api/types/core.v1.ts";
import { parseIndexes } from "./indexes.ts";

/** Pure: what a Job's podFailurePolicy and successPolicy say. KEP-3329, KEP-3998. */

/** What a failed pod means. */
export interface Verdict {
  action: "Count" | "FailIndex" | "FailJob" | "Ignore";
  /** For FailJob: the text of the Job's condition. */
  message?: string;
}

/** The first rule that matches a failed pod decides; without one the pod counts. */
export function judgeFailure({ spec }: Job, pod: Pod): Verdict {
  for (const [i, rule] of (spec.podFailurePolicy?.rules ?? []).entries()) {
    const found = matchExitCodes(rule, pod) ?? matchConditions(rule, pod);
    if (found) return { action: rule.action, message: `${found} matching ${rule.action} rule at index ${i}` };
  }
  return { action: "Count" };
}

function matchExitCodes({ onExitCodes }: PodFailurePolicyRule, pod: Pod): string | undefined {
  if (!onExitCodes) return undefined;
  const { containerName, operator, values } = onExitCodes;
  const statuses: ContainerStatus[] = [...(pod.status.containerStatuses ?? []), ...(pod.status.initContainerStatuses ?? [])];
  for (const { name, state } of statuses) {
    const code = state?.terminated?.exitCode;
    if (!code || (containerName && containerName !== name)) continue;
    if (values.includes(code) === (operator === "In"))
      return `Container ${name} for pod ${pod.metadata.namespace}/${pod.metadata.name} failed with exit code ${code}`;
  }
  return undefined;
}

function matchConditions({ onPodConditions }: PodFailurePolicyRule, pod: Pod): string | undefined {
  for (const { type, status = "True" } of onPodConditions ?? [])
    if (pod.status.conditions?.some((condition) => condition.type === type && condition.status === status))
      return `Pod ${pod.metadata.namespace}/${pod.metadata.name} has condition ${type}`;
  return undefined;
}

/** The message of the first rule of the success policy that the succeeded indexes fulfil. */
export function judgeSuccess({ spec }: Job, succeeded: ReadonlySet<number>): string | undefined {
  const rules = spec.successPolicy?.rules ?? [];
  const match = rules.findIndex(({ succeededIndexes, succeededCount }) => {
    if (!succeededIndexes) return succeededCount !== undefined && succeeded.size >= succeededCount;
    const wanted = parseIndexes(succeededIndexes, spec.completions);
    const done = [...wanted].filter((index) => succeeded.has(index)).length;
    return done >= (succeededCount ?? wanted.size);
  });
  return match < 0 ? undefined : `Matched rules at index ${match}`;
}
