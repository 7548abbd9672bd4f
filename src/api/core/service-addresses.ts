import { isIP } from "node:net";
import type { FieldError } from "../errors.ts";
import * as fault from "../meta/field-errors.ts";
import { checkCidr, checkIp, checkNonSpecialIp } from "../meta/addresses.ts";
import type { ServiceSpec } from "../types/core.v1.ts";

const families = ["IPv4", "IPv6"];

/** What is wrong with a Service's cluster addresses and address families. */
export function validateClusterIPs(spec: ServiceSpec): FieldError[] {
  if (spec.type === "ExternalName") return [];
  const errors: FieldError[] = [];
  const { clusterIP, clusterIPs = [], ipFamilies = [] } = spec;
  if (!clusterIP && clusterIPs.length > 0)
    errors.push(fault.invalid("spec.clusterIPs", clusterIPs, "must be empty when `clusterIP` is not specified"));
  else if (clusterIP && clusterIPs.length > 0 && clusterIPs[0] !== clusterIP)
    errors.push(fault.invalid("spec.clusterIPs", clusterIPs, "first value must match `clusterIP`"));
  for (const [i, family] of ipFamilies.entries()) {
    errors.push(...fault.oneOfIfSet(`spec.ipFamilies[${i}]`, family, families));
    if (ipFamilies.indexOf(family) < i) errors.push(fault.duplicate(`spec.ipFamilies[${i}]`, family));
  }
  errors.push(...fault.oneOfIfSet("spec.ipFamilyPolicy", spec.ipFamilyPolicy, ["PreferDualStack", "RequireDualStack", "SingleStack"]));
  const given = clusterIPs.length > 0 ? clusterIPs : clusterIP ? [clusterIP] : [];
  for (const [i, ip] of given.entries()) {
    if (ip === "None" && i === 0) {
      if (given.length > 1) errors.push(fault.invalid("spec.clusterIPs", given, "'None' must be the first and only value"));
      continue;
    }
    errors.push(...checkIp(`spec.clusterIPs[${i}]`, ip));
  }
  if (given.length === 2 && given.every((ip) => isIP(ip)) && isIP(given[0] ?? "") === isIP(given[1] ?? ""))
    errors.push(fault.invalid("spec.clusterIPs", given, "may specify no more than one IP for each IP family"));
  return errors;
}

/** What is wrong with the addresses that a Service is also reached by. */
export function validateExternalIPs({ externalIPs = [] }: ServiceSpec): FieldError[] {
  return fault.each("spec.externalIPs", externalIPs, (ip, field) => {
    const wrong = checkIp(field, ip);
    if (wrong.length > 0) return wrong;
    return checkNonSpecialIp(field, ip);
  });
}

/** What is wrong with the ranges that a load balancer lets in. */
export function validateSourceRanges({ type, loadBalancerSourceRanges = [] }: ServiceSpec): FieldError[] {
  const field = "spec.LoadBalancerSourceRanges";
  if (loadBalancerSourceRanges.length === 0) return [];
  const errors = type === "LoadBalancer" ? [] : [fault.forbidden(field, "may only be used when `type` is 'LoadBalancer'")];
  return [...errors, ...loadBalancerSourceRanges.flatMap((range, i) => checkCidr(`${field}[${i}]`, range.trim()))];
}
