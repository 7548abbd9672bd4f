import { isReason } from "../api/errors.ts";
import { formatMicroTime } from "../api/meta/time.ts";
import type { OwnerReference } from "../api/types/meta.v1.ts";
import type { Lease, LeaseSpec } from "../api/types/coordination.v1.ts";
import { Leases } from "../api/types/resources.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import type { Client } from "./client.ts";

/** A Lease and who wants to hold it. */
export interface LeaseOptions {
  namespace: string;
  name: string;
  /** Who holds it: a host name and something random, or a node's name. */
  identity: string;
  /** How long the lease is good without being renewed. */
  durationSeconds: number;
}

/** The spec that a lease gets when `identity` takes or renews it now, or undefined while another holder's lease is good. */
export function nextLeaseSpec(
  spec: LeaseSpec | undefined,
  { identity, durationSeconds }: LeaseOptions,
  now: number,
): LeaseSpec | undefined {
  const holder = spec?.holderIdentity;
  const held = holder ? Date.parse(spec?.renewTime ?? "") + (spec?.leaseDurationSeconds ?? 0) * 1000 > now : false;
  if (holder && holder !== identity && held) return undefined;
  const time = formatMicroTime(now);
  if (holder === identity) return { ...spec, leaseDurationSeconds: durationSeconds, renewTime: time };
  return {
    holderIdentity: identity,
    leaseDurationSeconds: durationSeconds,
    acquireTime: time,
    renewTime: time,
    leaseTransitions: (spec?.leaseTransitions ?? -1) + 1,
  };
}

/** Takes or renews the lease. Undefined when another holds it or was quicker; other errors are thrown. */
export async function acquireLease(client: Client, options: LeaseOptions, now: number): Promise<Lease | undefined> {
  const { namespace, name } = options;
  try {
    let lease: Lease | undefined;
    try {
      lease = await client.get(Leases, { namespace, name });
    } catch (error) {
      if (!isReason(error, "NotFound")) throw error;
    }
    const spec = nextLeaseSpec(lease?.spec, options, now);
    if (!spec) return undefined;
    if (lease) return await client.update(Leases, { ...lease, spec });
    return await client.create(Leases, { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { namespace, name }, spec });
  } catch (error) {
    if (isReason(error, "Conflict") || isReason(error, "AlreadyExists")) return undefined;
    throw error;
  }
}

/** Gives the lease up, so that others need not wait for its end. Does nothing when another holds it. */
export async function releaseLease(client: Client, { namespace, name, identity }: LeaseOptions, now: number): Promise<void> {
  try {
    const lease = await client.get(Leases, { namespace, name });
    if (lease.spec.holderIdentity !== identity) return;
    const time = formatMicroTime(now);
    const spec = { ...lease.spec, holderIdentity: "", leaseDurationSeconds: 1, renewTime: time, acquireTime: time };
    await client.update(Leases, { ...lease, spec });
  } catch (error) {
    if (!isReason(error, "NotFound") && !isReason(error, "Conflict")) throw error;
  }
}

/** What an elected leader does. */
export interface Leadership extends LeaseOptions {
  client: Client;
  clock: Clock;
  log: Logger;
  /** How often to try, in milliseconds; a leader that has not renewed for two thirds of the lease's duration gives up. Default 2000. */
  retry?: number;
  started(): void;
  /** The lease was lost or given up; not called when it was never held. */
  stopped(): Promise<void> | void;
}

/** Stands for election until stopped: `started` and `stopped` alternate as the lease comes and goes. stop() gives the lease up. */
export function standForElection(options: Leadership): { stop(): Promise<void> } {
  const { client, clock, log, retry = 2000 } = options;
  const patience = (options.durationSeconds * 1000 * 2) / 3;
  let leading = false;
  let renewed = 0;
  let stopping = false;
  let cancel: () => void = () => {};

  async function attempt(): Promise<void> {
    const now = clock.now();
    let held = false;
    try {
      held = (await acquireLease(client, options, now)) !== undefined;
    } catch (error) {
      log.warn({ lease: options.name, error: String(error) }, "cannot renew the lease");
    }
    if (held) renewed = now;
    if (held && !leading && !stopping) {
      leading = true;
      options.started();
    } else if (!held && leading && clock.now() - renewed >= patience) {
      leading = false;
      await options.stopped();
    }
    if (!stopping) cancel = clock.after(retry, next);
  }
  let current: Promise<void> = attempt();
  function next(): void {
    current = attempt();
  }

  return {
    async stop() {
      stopping = true;
      cancel();
      await current;
      if (!leading) return;
      leading = false;
      await options.stopped();
      await releaseLease(client, options, clock.now()).catch((error: unknown) => log.debug({ error: String(error) }, "lease not released"));
    },
  };
}

/** A share of 1 that a name always gets: nodes that begin together do not beat together. */
function shareOf(name: string): number {
  let hash = 2166136261;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
  // The last bytes of names differ most; multiplied once more, they reach the highest bits.
  return (Math.imul(hash ^ (hash >>> 15), 2246822519) >>> 0) / 2 ** 32;
}

/**
 * Heartbeats of many nodes in one process are spread over their period, but in this many groups: those of a group share a turn of the event
 * loop and a commit of the store.
 */
const groups = 40;

/**
 * A node's heartbeat: renews the Lease of its name in kube-node-lease every quarter of its duration (40 s as in Kubernetes), and says
 * aloud when it cannot. The first wait is shorter by the node's share. `owner` ties the Lease to the Node object.
 */
export function keepNodeLease(
  { client, clock, log }: { client: Client; clock: Clock; log: Logger },
  owner: () => OwnerReference | undefined,
  node: string,
  durationSeconds = 40,
): { stop(): void } {
  const options = { namespace: "kube-node-lease", name: node, identity: node, durationSeconds };
  const period = (durationSeconds * 1000) / 4;
  let stopped = false;
  let cancel: () => void = () => {};
  let lease: Lease | undefined;
  let share = shareOf(node);

  async function renew(): Promise<void> {
    const now = clock.now();
    if (!lease?.metadata.ownerReferences?.length) lease = await claim(client, options, owner(), now);
    else {
      const spec = nextLeaseSpec({ ...lease.spec, holderIdentity: node }, options, now);
      lease = await client.update(Leases, { ...lease, spec: spec ?? lease.spec });
    }
  }
  async function beat(): Promise<void> {
    let wait = period * share;
    try {
      await renew();
      share = 1;
    } catch (error) {
      lease = undefined;
      wait = Math.min(period, 1000);
      if (!stopped) log.warn({ node, error: String(error) }, "cannot renew the node's lease");
    }
    if (stopped) return;
    const now = clock.now();
    const slot = period / groups;
    cancel = clock.after(Math.round((now + wait) / slot) * slot - now, () => void beat());
  }
  void beat();
  return {
    stop() {
      stopped = true;
      cancel();
    },
  };
}

/** Gets or makes the node's lease and renews it: it belongs to this node, whoever claims to hold it. */
async function claim(client: Client, options: LeaseOptions, owner: OwnerReference | undefined, now: number): Promise<Lease> {
  const { namespace, name, identity } = options;
  const ownerReferences = owner ? [owner] : [];
  try {
    const lease = await client.get(Leases, { namespace, name });
    const spec = nextLeaseSpec({ ...lease.spec, holderIdentity: identity }, options, now) ?? lease.spec;
    return await client.update(Leases, { ...lease, metadata: { ...lease.metadata, ownerReferences }, spec });
  } catch (error) {
    if (!isReason(error, "NotFound")) throw error;
  }
  const spec = nextLeaseSpec(undefined, options, now) ?? {};
  const { acquireTime: _, leaseTransitions: __, ...heartbeat } = spec;
  return client.create(Leases, {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { namespace, name, ownerReferences },
    spec: heartbeat,
  });
}
