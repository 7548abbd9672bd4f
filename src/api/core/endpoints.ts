import { isIP } from "node:net";
import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { checkNonSpecialIp } from "../meta/addresses.ts";
import * as fault from "../meta/field-errors.ts";
import { checkDnsLabel, checkDnsSubdomain, checkPort, checkQualifiedName } from "../meta/names.ts";
import { age } from "../meta/time.ts";
import type { EndpointAddress, EndpointSubset, Endpoints } from "../types/core.v1.ts";

/** The rules of Endpoints. */
export const endpointsRules: KindRules<Endpoints> = {
  default({ subsets = [] }) {
    for (const { ports = [] } of subsets) for (const port of ports) port.protocol ||= "TCP";
  },
  validate: ({ subsets = [] }) => subsets.flatMap((subset, i) => validateSubset(`subsets[${i}]`, subset)),
  warnings: () => ["v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"],
  cells: ({ metadata, subsets = [] }, now) => [metadata.name, addressesText(subsets), age(metadata.creationTimestamp, now)],
};

const shown = 3;

function addressesText(subsets: readonly EndpointSubset[]): string {
  const list = subsets.flatMap(({ addresses = [], ports = [] }) =>
    ports.length === 0
      ? addresses.map(({ ip }) => ip)
      : ports.flatMap(({ port }) => addresses.map(({ ip }) => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`))),
  );
  if (subsets.length === 0) return "<none>";
  const text = list.slice(0, shown).join(",");
  return list.length > shown ? `${text} + ${list.length - shown} more...` : text;
}

function validateSubset(field: string, { addresses = [], notReadyAddresses = [], ports = [] }: EndpointSubset): FieldError[] {
  const errors: FieldError[] = [];
  if (addresses.length === 0 && notReadyAddresses.length === 0)
    errors.push(fault.required(field, "must specify `addresses` or `notReadyAddresses`"));
  for (const [list, items] of Object.entries({ addresses, notReadyAddresses }))
    for (const [i, address] of items.entries()) errors.push(...validateAddress(`${field}.${list}[${i}]`, address));
  for (const [i, { name, port, protocol, appProtocol }] of ports.entries()) {
    const path = `${field}.ports[${i}]`;
    if (!name && ports.length > 1) errors.push(fault.required(`${path}.name`));
    errors.push(...fault.checkedIfNonEmpty(`${path}.name`, name, checkDnsLabel));
    errors.push(...fault.checked(`${path}.port`, port ?? 0, checkPort));
    errors.push(...fault.oneOf(`${path}.protocol`, protocol, ["SCTP", "TCP", "UDP"]));
    errors.push(...fault.checkedIfSet(`${path}.appProtocol`, appProtocol, checkQualifiedName));
  }
  return errors;
}

function validateAddress(field: string, { ip = "", hostname, nodeName }: EndpointAddress): FieldError[] {
  const errors = isIP(ip)
    ? checkNonSpecialIp(`${field}.ip`, ip)
    : fault.invalidEach(`${field}.ip`, ip, ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)", "must be a valid IP address"]);
  errors.push(...fault.checkedIfNonEmpty(`${field}.hostname`, hostname, checkDnsLabel));
  return [...errors, ...fault.checkedIfSet(`${field}.nodeName`, nodeName, checkDnsSubdomain)];
}
