import type { PodTemplateSpec } from "../types/core.v1.ts";
import { semanticEqual } from "./equality.ts";

/** The label by which a Deployment tells its ReplicaSets apart. */
export const podTemplateHashLabel = "pod-template-hash";

/** Whether two pod templates make the same pods: everything but the label pod-template-hash. */
export function sameTemplate(a: PodTemplateSpec, b: PodTemplateSpec): boolean {
  return semanticEqual(withoutHash(a), withoutHash(b));
}

function withoutHash(template: PodTemplateSpec): PodTemplateSpec {
  if (template.metadata?.labels?.[podTemplateHashLabel] === undefined) return template;
  const { [podTemplateHashLabel]: _, ...labels } = template.metadata.labels;
  return { ...template, metadata: { ...template.metadata, labels } };
}
