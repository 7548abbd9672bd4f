import type { ResourceInfo } from "../api/resource.ts";
import { deepEqual } from "../api/meta/equality.ts";
import type { ResourceHandler } from "./resource-handler.ts";

/** One API group as discovery shows it. */
export interface ServedGroup {
  name: string;
  /** The preferred one first. */
  versions: string[];
}

/** A group version that another server serves. */
export interface RemoteVersion {
  /** As the server listed them when it last answered. */
  resources: readonly ResourceInfo[];
  /** Whether it answers now. */
  fresh: boolean;
  /** Where its OpenAPI document lies, with its hash; undefined when it has none. */
  openapi?: string | undefined;
}

/** Everything that is served now: built-in resources from the start, custom resources as their definitions come and go. */
export class Registry {
  private readonly handlers = new Map<string, Map<string, ResourceHandler>>();
  private readonly remotes = new Map<string, RemoteVersion>();
  private byStorage = { generation: -1, handlers: new Map<string, ResourceHandler[]>() };
  /** Grows with every change: what discovery and OpenAPI made of it before is out of date. */
  generation = 0;

  add(handler: ResourceHandler): void {
    const { groupVersion, plural } = handler.info;
    let resources = this.handlers.get(groupVersion);
    if (!resources) this.handlers.set(groupVersion, (resources = new Map()));
    resources.set(plural, handler);
    this.generation++;
  }

  remove(groupVersion: string, plural: string): void {
    const resources = this.handlers.get(groupVersion);
    if (!resources?.delete(plural)) return;
    if (resources.size === 0) this.handlers.delete(groupVersion);
    this.generation++;
  }

  find(groupVersion: string, plural: string): ResourceHandler | undefined {
    return this.handlers.get(groupVersion)?.get(plural);
  }

  /** As find. Throws for a resource that every server has: a programmer's mistake. */
  get(groupVersion: string, plural: string): ResourceHandler {
    const handler = this.find(groupVersion, plural);
    if (!handler) throw new Error(`no resource ${plural} in ${groupVersion}`);
    return handler;
  }

  /** Shows a group version of another server in discovery, in the place of any of this one; undefined: no longer. */
  setRemote(groupVersion: string, remote: RemoteVersion | undefined): void {
    if (deepEqual(this.remotes.get(groupVersion), remote)) return;
    if (remote) this.remotes.set(groupVersion, remote);
    else this.remotes.delete(groupVersion);
    this.generation++;
  }

  remote(groupVersion: string): RemoteVersion | undefined {
    return this.remotes.get(groupVersion);
  }

  /** The OpenAPI documents of other servers, by "apis/GROUP/VERSION". */
  remoteDocuments(): Record<string, string> {
    return Object.fromEntries([...this.remotes].flatMap(([name, { openapi }]) => (openapi ? [[`apis/${name}`, openapi]] : [])));
  }

  /** All handlers of the objects that this one has: itself, other versions, and twins in other groups (events). */
  equivalents({ storage }: ResourceHandler): ResourceHandler[] {
    if (this.byStorage.generation !== this.generation) {
      const handlers = [...this.handlers.values()].flatMap((resources) => [...resources.values()]);
      this.byStorage = { generation: this.generation, handlers: Map.groupBy(handlers, (handler) => handler.storage) };
    }
    return this.byStorage.handlers.get(storage) ?? [];
  }

  /** Whether anything of that group version is served. */
  has(groupVersion: string): boolean {
    return this.handlers.has(groupVersion);
  }

  /** Whether anything of that group is served; the core group always is. */
  hasGroup(group: string): boolean {
    return !group || this.groups().some(({ name }) => name === group);
  }

  /** The resources of one group version, in the order of their names' arrival. */
  resources(groupVersion: string): ResourceHandler[] {
    return [...(this.handlers.get(groupVersion)?.values() ?? [])];
  }

  /** All group versions that this server serves itself, the built-in ones first. */
  groupVersions(): string[] {
    return [...this.handlers.keys()];
  }

  /** All groups but the core one; versions in the order preferred by KEP-less upstream rule: v2, v1, v1beta1, v1alpha1. */
  groups(): ServedGroup[] {
    const groups = new Map<string, string[]>();
    for (const groupVersion of new Set([...this.handlers.keys(), ...this.remotes.keys()])) {
      const slash = groupVersion.indexOf("/");
      if (slash < 0) continue;
      const name = groupVersion.slice(0, slash);
      groups.set(name, [...(groups.get(name) ?? []), groupVersion.slice(slash + 1)]);
    }
    return [...groups].map(([name, versions]) => ({ name, versions: versions.sort(compareVersions) }));
  }
}

/** Kubernetes' version priority: stable before beta before alpha, then the higher number; other names last, by alphabet. */
export function compareVersions(a: string, b: string): number {
  const left = rank(a);
  const right = rank(b);
  for (let i = 0; i < 3; i++) if (left[i] !== right[i]) return (right[i] ?? 0) - (left[i] ?? 0);
  return a < b ? -1 : a > b ? 1 : 0;
}

function rank(version: string): number[] {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (!match) return [0, 0, 0];
  const stability = match[2] === "alpha" ? 1 : match[2] === "beta" ? 2 : 3;
  return [stability, Number(match[1]), Number(match[3] ?? 0)];
}
