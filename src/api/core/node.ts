import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { checkCidr } from "../meta/addresses.ts";
import * as fault from "../meta/field-errors.ts";
import { checkLabelValue, checkQualifiedName } from "../meta/names.ts";
import { age } from "../meta/time.ts";
import type { Node, NodeSpec, NodeSystemInfo, Taint } from "../types/core.v1.ts";

const effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
const rolePrefix = "node-role.kubernetes.io/";

/** The rules of Nodes. */
export const nodeRules: KindRules<Node> = {
  default({ spec, status }) {
    // Two names of one thing; the old one has the say.
    if (spec.podCIDR && spec.podCIDRs?.[0] !== spec.podCIDR) spec.podCIDRs = [spec.podCIDR];
    if (spec.podCIDRs?.[0]) spec.podCIDR = spec.podCIDRs[0];
    if (status?.capacity && !status.allocatable) status.allocatable = { ...status.capacity };
  },
  validate: ({ spec }) => [...validateTaints(spec.taints ?? []), ...validateRanges(spec)],
  validateUpdate({ spec }, { spec: old }) {
    // Upstream looks at the taints once more.
    const errors = validateTaints(spec.taints ?? []);
    if (old.podCIDRs?.length && JSON.stringify(old.podCIDRs) !== JSON.stringify(spec.podCIDRs))
      errors.push(fault.forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid'));
    if (old.providerID && spec.providerID !== old.providerID)
      errors.push(fault.forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid'));
    return errors;
  },
  cells(node, now) {
    const { metadata, status } = node;
    const info = status?.nodeInfo;
    return [
      metadata.name,
      nodeStatus(node),
      nodeRoles(node).join(",") || "<none>",
      age(metadata.creationTimestamp, now),
      info?.kubeletVersion ?? "",
      addressOf(node, "InternalIP"),
      addressOf(node, "ExternalIP"),
      info?.osImage || "<unknown>",
      kernelText(info),
      info?.containerRuntimeVersion || "<unknown>",
    ];
  },
  fields: { "spec.unschedulable": ({ spec }) => String(spec.unschedulable ?? false) },
};

function kernelText(info: NodeSystemInfo | undefined): string {
  if (!info?.kernelVersion) return "<unknown>";
  return info.architecture ? `${info.kernelVersion} (${info.architecture})` : info.kernelVersion;
}

function nodeStatus({ spec, status }: Node): string {
  const ready = status?.conditions?.find((condition) => condition.type === "Ready");
  const words = [ready ? (ready.status === "True" ? "Ready" : "NotReady") : "Unknown"];
  if (spec.unschedulable) words.push("SchedulingDisabled");
  return words.join(",");
}

/** The roles that a node's labels give it, in order. */
export function nodeRoles({ metadata }: Node): string[] {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(metadata.labels ?? {})) {
    const role = key.startsWith(rolePrefix) ? key.slice(rolePrefix.length) : key === "kubernetes.io/role" ? value : "";
    if (role) roles.add(role);
  }
  return [...roles].sort();
}

function addressOf({ status }: Node, type: string): string {
  return status?.addresses?.find((address) => address.type === type)?.address ?? "<none>";
}

// The path is upstream's, though the field is spec.taints.
function validateTaints(taints: readonly Taint[]): FieldError[] {
  const seen = new Set<string>();
  return fault.each("metadata.taints", taints, (taint, path) => {
    const { key = "", value = "", effect } = taint;
    const errors = fault.checked(`${path}.key`, key, checkQualifiedName);
    errors.push(...fault.checked(`${path}.value`, value, checkLabelValue));
    if (!effect) errors.push(fault.required(`${path}.effect`));
    else errors.push(...fault.oneOf(`${path}.effect`, effect, effects));
    const id = `${key}:${effect}`;
    if (seen.has(id))
      errors.push({
        ...fault.duplicate(path, taint),
        message: `${fault.duplicate(path, taint).message}: taints must be unique by key and effect pair`,
      });
    seen.add(id);
    return errors;
  });
}

function validateRanges({ podCIDRs = [] }: NodeSpec): FieldError[] {
  const errors = podCIDRs.flatMap((range, i) => checkCidr(`spec.podCIDRs[${i}]`, range));
  const families = new Set(podCIDRs.map((range) => range.includes(":")));
  if (podCIDRs.length > families.size)
    errors.push(fault.invalid("spec.podCIDRs", podCIDRs, "may specify no more than one CIDR for each IP family"));
  return errors;
}
