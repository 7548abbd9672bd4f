import { isReason } from "../../api/errors.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import type { Service } from "../../api/types/core.v1.ts";
import type { IPAddress } from "../../api/types/networking.v1.ts";
import { IPAddresses, Services } from "../../api/types/resources.ts";
import type { Logger } from "../../lib/log.ts";
import type { Call } from "../call.ts";
import type { Objects } from "../objects.ts";
import { untyped } from "../plain-data.ts";
import type { Registry } from "../registry.ts";
import { systemUser } from "../subresources/eviction.ts";
import type { VerbContext } from "../verbs/context.ts";
import { createObject } from "../verbs/create.ts";
import { removeObject } from "../verbs/delete.ts";
import { parseIPv4 } from "./ipv4.ts";

const managedBy = "ipaddress.kubernetes.io/managed-by";
const allocator = "ipallocator.k8s.io";

/** What showing addresses needs of the server. */
export interface IPAddressParts {
  context: VerbContext;
  registry: Registry;
  objects: Objects;
  log: Logger;
}

/** Shows each cluster address in use as an IPAddress (KEP-1880). They follow the Services, which alone say what is taken. Returns how to end it. */
export function showIPAddresses(parts: IPAddressParts): () => void {
  const { objects } = parts;
  const wanted = new Map<string, Service>();
  const stop = objects.onChange(Services, (now, old) => {
    const before = addressOf(old);
    const address = addressOf(now);
    if (address && now) wanted.set(address, now);
    if (before && before !== address && isOf(wanted.get(before), old)) wanted.delete(before);
    for (const changed of new Set([before, address])) if (changed) attempt(parts, wanted, changed);
  });
  for (const { metadata } of objects.list(IPAddresses)) attempt(parts, wanted, metadata.name);
  return stop;
}

/** Makes one IPAddress what the Services say. Failures are told; the next change tries again. */
function attempt(parts: IPAddressParts, wanted: ReadonlyMap<string, Service>, address: string): void {
  bring(parts, wanted, address).catch((error: unknown) => {
    if (isReason(error, "AlreadyExists") || isReason(error, "NotFound")) return;
    parts.log.warn({ address, error: String(error) }, "an IPAddress could not be written");
  });
}

async function bring({ context, registry, objects }: IPAddressParts, wanted: ReadonlyMap<string, Service>, address: string): Promise<void> {
  const handler = registry.get("networking.k8s.io/v1", "ipaddresses");
  const call: Call = { handler, namespace: "", name: address, subresource: "", user: systemUser, dryRun: false, warn: () => {} };
  const service = wanted.get(address);
  const current = objects.get(IPAddresses, undefined, address);
  if (current && current.metadata.labels?.[managedBy] !== allocator) return;
  if (current && !(service && refersTo(current, service))) await removeObject(context, call, {});
  if (service && wanted.get(address) === service && !(current && refersTo(current, service)))
    await createObject(context, call, ipAddress(address, service));
}

function ipAddress(address: string, { metadata }: Service): KubeObject {
  const labels = { "ipaddress.kubernetes.io/ip-family": "IPv4", [managedBy]: allocator };
  const parentRef = { group: "", resource: "services", namespace: metadata.namespace, name: metadata.name };
  const object = { apiVersion: "networking.k8s.io/v1", kind: "IPAddress", metadata: { name: address, labels }, spec: { parentRef } };
  return untyped(object);
}

function refersTo({ spec }: IPAddress, { metadata }: Service): boolean {
  return spec?.parentRef?.namespace === metadata.namespace && spec?.parentRef?.name === metadata.name;
}

function addressOf(service: Service | undefined): string | undefined {
  const address = service?.spec?.clusterIP;
  return address && parseIPv4(address) !== undefined ? address : undefined;
}

function isOf(a: Service | undefined, b: Service | undefined): boolean {
  return a?.metadata.uid === b?.metadata.uid;
}
