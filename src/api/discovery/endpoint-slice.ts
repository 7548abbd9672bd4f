import { isIP } from "node:net";
import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { checkIp, checkNonSpecialIp } from "../meta/addresses.ts";
import * as fault from "../meta/field-errors.ts";
import { checkDnsLabel, checkDnsSubdomain, checkLabelValue, checkQualifiedName } from "../meta/names.ts";
import { age } from "../meta/time.ts";
import type { Endpoint, EndpointSlice } from "../types/discovery.v1.ts";

/** The rules of EndpointSlices. */
export const endpointSliceRules: KindRules<EndpointSlice> = {
  default({ ports }) {
    for (const port of ports ?? []) {
      port.name ??= "";
      port.protocol ??= "TCP";
    }
  },
  validate(slice) {
    const errors: FieldError[] = fault.oneOf("addressType", slice.addressType, ["FQDN", "IPv4", "IPv6"]);
    const { endpoints, ports } = slice;
    if ((endpoints?.length ?? 0) > 1000) errors.push(fault.tooMany("endpoints", endpoints?.length ?? 0, 1000));
    for (const [i, endpoint] of (endpoints ?? []).entries())
      errors.push(...validateEndpoint(`endpoints[${i}]`, endpoint, slice.addressType));
    const names = new Set<string>();
    for (const [i, { name = "", protocol, appProtocol }] of (ports ?? []).entries()) {
      errors.push(...fault.checkedIfNonEmpty(`ports[${i}].name`, name, checkDnsLabel));
      errors.push(...fault.once(names, `ports[${i}].name`, name));
      errors.push(...fault.supported(`ports[${i}].protocol`, protocol, ["SCTP", "TCP", "UDP"]));
      errors.push(...fault.checkedIfSet(`ports[${i}].appProtocol`, appProtocol, checkQualifiedName));
    }
    return errors;
  },
  validateUpdate: (slice, old) => fault.immutable("addressType", slice.addressType === old.addressType, slice.addressType),
  cells: ({ metadata, addressType, ports, endpoints }, now) => [
    metadata.name,
    addressType,
    limited((ports ?? []).map(({ name, port }) => (port === undefined ? name || "*" : String(port)))) || "<unset>",
    limited((endpoints ?? []).flatMap(({ addresses }) => addresses)) || "<unset>",
    age(metadata.creationTimestamp, now),
  ],
};

const shown = 3;

function limited(texts: readonly string[]): string {
  const text = texts.slice(0, shown).join(",");
  return texts.length > shown ? `${text} + ${texts.length - shown} more...` : text;
}

const hintChecks = [
  ["forZones", checkLabelValue],
  ["forNodes", checkDnsSubdomain],
] as const;

function validateEndpoint(field: string, { addresses = [], hostname, nodeName, hints }: Endpoint, type: string): FieldError[] {
  const errors: FieldError[] = [];
  if (addresses.length === 0) errors.push(fault.required(`${field}.addresses`, "must contain at least 1 address"));
  if (addresses.length > 100) errors.push(fault.tooMany(`${field}.addresses`, addresses.length, 100));
  for (const [i, address] of addresses.entries()) {
    const path = `${field}.addresses[${i}]`;
    if (type === "IPv4" || type === "IPv6") {
      const wrong = checkIp(path, address);
      if (wrong.length === 0 && `IPv${isIP(address)}` !== type)
        wrong.push(fault.invalid(`${field}.addresses`, address, `must be an ${type} address`));
      errors.push(...wrong, ...checkNonSpecialIp(path, address));
    } else if (type === "FQDN") errors.push(...fault.checked(path, address, checkDnsSubdomain));
  }
  errors.push(...fault.checkedIfSet(`${field}.hostname`, hostname, checkDnsLabel));
  errors.push(...fault.checkedIfSet(`${field}.nodeName`, nodeName, checkDnsSubdomain));
  for (const [key, check] of hintChecks)
    for (const [i, { name = "" }] of (hints?.[key] ?? []).entries()) {
      const path = `${field}.hints.${key}[${i}].name`;
      errors.push(...fault.checked(path, name, check));
      if ((hints?.[key] ?? []).findIndex((other) => other.name === name) < i) errors.push(fault.duplicate(path, name));
    }
  return errors;
}
