import type { KubeObject } from "../../api/meta/object.ts";
import type { ResourceInfo } from "../../api/resource.ts";
import type { OwnerReference } from "../../api/types/meta.v1.ts";

/** The finalizers by which a deletion asks for its dependents to go first, or to stay. */
export const foreground = "foregroundDeletion";
/** See foreground. */
export const orphan = "orphan";

/** What the garbage collector knows of an object. */
export interface GraphNode {
  uid: string;
  resource: ResourceInfo;
  namespace: string;
  name: string;
  owners: readonly OwnerReference[];
  finalizers: readonly string[];
  deleting: boolean;
}

/** What most objects have: an empty list of its own for each would be 64 bytes. */
const noOwners: readonly OwnerReference[] = [];
const noFinalizers: readonly string[] = [];

/** Who owns whom. Objects are known by uid; of an owner that is not there only its dependents are known. */
export class OwnerGraph {
  private readonly nodes = new Map<string, GraphNode>();
  private readonly dependents = new Map<string, Set<string>>();

  /** The object with that uid, if it is there. */
  get(uid: string): GraphNode | undefined {
    return this.nodes.get(uid);
  }

  /** The objects that name that uid as an owner. */
  dependentsOf(uid: string): GraphNode[] {
    return [...(this.dependents.get(uid) ?? [])].flatMap((dependent) => this.nodes.get(dependent) ?? []);
  }

  /** Takes over a new state of an object. Returns the uids of the objects that have to be looked at. */
  set(resource: ResourceInfo, object: KubeObject): string[] {
    const {
      uid = "",
      namespace = "",
      name = "",
      ownerReferences: owners = noOwners,
      finalizers = noFinalizers,
      deletionTimestamp,
    } = object.metadata;
    const old = this.nodes.get(uid);
    const deleting = deletionTimestamp !== undefined;
    // Most objects have no owner, and most changes do not concern ownership.
    if (old && old.deleting === deleting && same(old.owners, owners) && same(old.finalizers, finalizers)) return [];
    this.nodes.set(uid, { uid, resource, namespace, name, owners, finalizers, deleting });
    for (const owner of old?.owners ?? []) this.unlink(owner.uid, uid);
    for (const owner of owners) this.link(owner.uid, uid);
    const affected = this.waitingOwners(old?.owners ?? []);
    if (owners.length > 0 || (deleting && finalizers.length > 0)) affected.push(uid);
    if (deleting && finalizers.includes(foreground)) for (const dependent of this.dependentsOf(uid)) affected.push(dependent.uid);
    return affected;
  }

  /** Forgets an object. Returns the uids of the objects that have to be looked at: its dependents, and owners that wait for it. */
  delete(uid: string): string[] {
    const old = this.nodes.get(uid);
    if (!old) return [];
    this.nodes.delete(uid);
    for (const owner of old.owners) this.unlink(owner.uid, uid);
    return [...this.waitingOwners(old.owners), ...(this.dependents.get(uid) ?? [])];
  }

  private waitingOwners(owners: readonly OwnerReference[]): string[] {
    return owners.filter(({ uid }) => isWaiting(this.nodes.get(uid))).map(({ uid }) => uid);
  }

  private link(owner: string, dependent: string): void {
    const known = this.dependents.get(owner);
    if (known) known.add(dependent);
    else this.dependents.set(owner, new Set([dependent]));
  }

  private unlink(owner: string, dependent: string): void {
    const known = this.dependents.get(owner);
    if (known?.delete(dependent) && known.size === 0) this.dependents.delete(owner);
  }
}

/** Whether the object is being deleted in the foreground: it waits for its dependents. */
export function isWaiting(node: GraphNode | undefined): boolean {
  return node?.deleting === true && node.finalizers.includes(foreground);
}

function same(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a === b || (a.length === b.length && (a.length === 0 || JSON.stringify(a) === JSON.stringify(b)));
}

/** How an owner stands to its dependents: there, gone, or waiting for them to go first. */
export type OwnerState = "solid" | "dangling" | "waiting";

/** What is to be done about an object that has owners. */
export type Verdict =
  | { do: "nothing" }
  /** Some owners are gone, others are not: only the references go. */
  | { do: "release"; uids: string[] }
  /** `unblock`: its own dependents wait for it in turn, so that its references must not block. */
  | { do: "delete"; policy: "Foreground" | "Background" | "Orphan"; unblock: boolean };

/** Decides by the states of all owners, in their order. */
export function verdict(node: GraphNode, states: readonly OwnerState[], dependents: readonly GraphNode[]): Verdict {
  const lost = node.owners.filter((_owner, i) => states[i] !== "solid").map((owner) => owner.uid);
  if (lost.length === 0) return { do: "nothing" };
  if (lost.length < node.owners.length) return { do: "release", uids: lost };
  if (states.includes("waiting") && dependents.length > 0)
    // Objects that own each other in a circle would wait for each other for ever.
    return { do: "delete", policy: "Foreground", unblock: dependents.some(isWaiting) };
  if (node.finalizers.includes(orphan)) return { do: "delete", policy: "Orphan", unblock: false };
  return { do: "delete", policy: node.finalizers.includes(foreground) ? "Foreground" : "Background", unblock: false };
}
