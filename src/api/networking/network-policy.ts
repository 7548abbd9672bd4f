import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { checkCidr, isStrictSubset } from "../meta/addresses.ts";
import * as fault from "../meta/field-errors.ts";
import { formatLabelSelector, validateLabelSelector } from "../meta/labels.ts";
import { checkPort, checkPortName } from "../meta/names.ts";
import { age } from "../meta/time.ts";
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec } from "../types/networking.v1.ts";

/** The rules of NetworkPolicies. */
export const networkPolicyRules: KindRules<NetworkPolicy> = {
  default(policy) {
    policy.spec ??= { podSelector: {} };
    const { spec } = policy;
    spec.podSelector ??= {};
    for (const { ports = [] } of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) for (const port of ports) port.protocol ??= "TCP";
    if (!spec.policyTypes?.length) spec.policyTypes = spec.egress?.length ? ["Ingress", "Egress"] : ["Ingress"];
  },
  validate: ({ spec }) => validateSpec(spec),
  cells: ({ metadata, spec }, now) => [metadata.name, formatLabelSelector(spec?.podSelector ?? {}), age(metadata.creationTimestamp, now)],
};

function validateSpec(spec: NetworkPolicySpec): FieldError[] {
  const errors = validateLabelSelector("spec.podSelector", spec.podSelector);
  for (const [i, { ports = [], from = [] }] of (spec.ingress ?? []).entries()) {
    for (const [j, port] of ports.entries()) errors.push(...validatePort(`spec.ingress[${i}].ports[${j}]`, port));
    for (const [j, peer] of from.entries()) errors.push(...validatePeer(`spec.ingress[${i}].from[${j}]`, peer));
  }
  for (const [i, { ports = [], to = [] }] of (spec.egress ?? []).entries()) {
    for (const [j, port] of ports.entries()) errors.push(...validatePort(`spec.egress[${i}].ports[${j}]`, port));
    for (const [j, peer] of to.entries()) errors.push(...validatePeer(`spec.egress[${i}].to[${j}]`, peer));
  }
  const types = spec.policyTypes ?? [];
  if (types.length > 2) return [...errors, fault.invalid("spec.policyTypes", types, "may not specify more than two policyTypes")];
  for (const [i, type] of types.entries()) errors.push(...fault.supported(`spec.policyTypes[${i}]`, type, ["Ingress", "Egress"]));
  return errors;
}

function validatePort(field: string, { port, endPort, protocol }: NetworkPolicyPort): FieldError[] {
  const errors = fault.supported(`${field}.protocol`, protocol, ["TCP", "UDP", "SCTP"]);
  if (typeof port === "number") {
    errors.push(...fault.checked(`${field}.port`, port, checkPort));
    if (endPort !== undefined) {
      if (port > endPort) errors.push(fault.invalid(`${field}.endPort`, port, "must be greater than or equal to `port`"));
      errors.push(...fault.checked(`${field}.endPort`, endPort, checkPort));
    }
    return errors;
  }
  if (endPort !== undefined)
    errors.push(
      fault.invalid(
        `${field}.endPort`,
        endPort,
        `may not be specified when \`port\` is ${port === undefined ? "not specified" : "non-numeric"}`,
      ),
    );
  return [...errors, ...fault.checkedIfSet(`${field}.port`, port, checkPortName)];
}

function validatePeer(field: string, { podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer): FieldError[] {
  const errors = [
    ...validateLabelSelector(`${field}.podSelector`, podSelector),
    ...validateLabelSelector(`${field}.namespaceSelector`, namespaceSelector),
  ];
  if (!podSelector && !namespaceSelector && !ipBlock) return [fault.required(field, "must specify a peer")];
  if (!ipBlock) return errors;
  if (podSelector || namespaceSelector) errors.push(fault.forbidden(field, "may not specify both ipBlock and another peer"));
  if (!ipBlock.cidr) return [...errors, fault.required(`${field}.ipBlock.cidr`)];
  const wrongRange = checkCidr(`${field}.ipBlock.cidr`, ipBlock.cidr);
  if (wrongRange.length > 0) return [...errors, ...wrongRange];
  for (const [i, range] of (ipBlock.except ?? []).entries()) {
    const path = `${field}.ipBlock.except[${i}]`;
    const wrong = checkCidr(path, range);
    if (wrong.length === 0 && !isStrictSubset(range, ipBlock.cidr))
      wrong.push(fault.invalid(path, range, "must be a strict subset of `cidr`"));
    errors.push(...wrong);
  }
  return errors;
}
