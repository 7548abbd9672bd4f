import { isIP } from "node:net";
import type { FieldError } from "../errors.ts";
import * as fault from "./field-errors.ts";

/** What is wrong with an IP address. */
export function checkIp(field: string, ip: string): FieldError[] {
  return isIP(ip) ? [] : [fault.invalid(field, ip, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")];
}

/** What is wrong with a range of IP addresses. */
export function checkCidr(field: string, range: string): FieldError[] {
  const [ip = "", bits = "", ...rest] = range.split("/");
  const family = isIP(ip);
  const sound = family > 0 && rest.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
  if (!sound) return [fault.invalid(field, range, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")];
  const exact = family !== 4 || numberOf(ip) % 2 ** (32 - Number(bits)) === 0;
  return exact ? [] : [fault.invalid(field, range, "must not have bits set beyond the prefix length")];
}

/** What is wrong with an address that must lead to another machine: one that means nothing, oneself, or only the link. */
export function checkNonSpecialIp(field: string, ip: string): FieldError[] {
  if (ip === "0.0.0.0" || ip === "::") return [fault.invalid(field, ip, `may not be unspecified (${ip})`)];
  if (ip.startsWith("127.") || ip === "::1") return [fault.invalid(field, ip, "may not be in the loopback range (127.0.0.0/8, ::1/128)")];
  if (ip.startsWith("169.254.") || /^fe[89ab]/i.test(ip))
    return [fault.invalid(field, ip, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")];
  if (ip.startsWith("224.0.0.") || /^ff02:/i.test(ip))
    return [fault.invalid(field, ip, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")];
  return [];
}

/** Whether the inner range lies within the outer one and is smaller. IPv4 only: other families count as inside. */
export function isStrictSubset(inner: string, outer: string): boolean {
  const [innerIp = "", innerBits = ""] = inner.split("/");
  const [outerIp = "", outerBits = ""] = outer.split("/");
  if (isIP(innerIp) !== 4 || isIP(outerIp) !== 4) return isIP(innerIp) === isIP(outerIp);
  const size = 2 ** (32 - Number(outerBits));
  return Number(innerBits) > Number(outerBits) && Math.floor(numberOf(innerIp) / size) === Math.floor(numberOf(outerIp) / size);
}

/** An IPv4 address as one number. */
function numberOf(ip: string): number {
  return ip.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}
