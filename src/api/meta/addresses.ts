import { isIP } from "node:net";
import type { FieldError } from "../errors.ts";
import { invalidValue } from "./field-errors.ts";

/** What is wrong with an IP address. */
export function checkIp(field: string, ip: string): FieldError[] {
  return isIP(ip) ? [] : [invalidValue(field, ip, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")];
}

/** What is wrong with a range of IP addresses. */
export function checkCidr(field: string, range: string): FieldError[] {
  const [ip = "", bits = "", ...rest] = range.split("/");
  const family = isIP(ip);
  const sound = family > 0 && rest.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
  return sound ? [] : [invalidValue(field, range, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")];
}
