import { isReason } from "../api/errors.ts";
import { hashSuffix } from "../api/meta/names.ts";
import { type KubeObject, keyOf } from "../api/meta/object.ts";
import { controllerReference, isControlledBy } from "../api/meta/owners.ts";
import type { ControllerRevision } from "../api/types/apps.v1.ts";
import type { Container, PodTemplateSpec } from "../api/types/core.v1.ts";
import { ControllerRevisions } from "../api/types/resources.ts";
import type { Cache } from "../client/cache.ts";
import type { Client } from "../client/client.ts";
import type { Written } from "../client/written.ts";
import { ignoreMissing } from "./ownership.ts";

/** The label that says which revision a pod is of: the hash for a DaemonSet, the revision's name for a StatefulSet. */
export const revisionLabel = "controller-revision-hash";

/** A set that remembers its templates in ControllerRevisions. */
export interface Revised extends KubeObject {
  spec: { template: PodTemplateSpec; revisionHistoryLimit?: number };
  status?: { collisionCount?: number };
}

/** The revision of the present template, and all there are, from the oldest to the newest. */
export interface History {
  current: ControllerRevision;
  all: ControllerRevision[];
}

/**
 * What a ControllerRevision holds: a strategic merge patch that puts the template back. Users (and conformance tests) compare it byte for
 * byte with Go's JSON, so keys are sorted and the structs that Go always writes are there.
 */
export function templatePatch(template: PodTemplateSpec): Record<string, unknown> {
  const { containers, initContainers, ...spec } = template.spec ?? { containers: [] };
  const complete = (container: Container): Container => ({ ...container, resources: container.resources ?? {} });
  const whole = {
    ...template,
    metadata: template.metadata ?? {},
    spec: {
      ...spec,
      containers: containers.map(complete),
      ...(initContainers ? { initContainers: initContainers.map(complete) } : {}),
    },
    $patch: "replace",
  };
  return { spec: { template: sorted(whole) } };
}

/** The template that a revision holds. */
export function templateOf({ data }: ControllerRevision): PodTemplateSpec {
  const { $patch: _, ...template } = ((data ?? {}) as { spec?: { template?: PodTemplateSpec & { $patch?: string } } }).spec?.template ?? {};
  return template;
}

/** Revisions from the oldest to the newest. */
export function byRevision(revisions: readonly ControllerRevision[]): ControllerRevision[] {
  const age = ({ metadata }: ControllerRevision): string => `${metadata.creationTimestamp} ${metadata.name}`;
  return [...revisions].sort((a, b) => a.revision - b.revision || (age(a) < age(b) ? -1 : 1));
}

/** The revisions to remove: beyond the limit, the oldest first, none that is in use. */
export function superfluousRevisions(all: readonly ControllerRevision[], inUse: ReadonlySet<string>, limit: number): ControllerRevision[] {
  const unused = byRevision(all).filter(({ metadata }) => !inUse.has(metadata.name));
  return unused.slice(0, Math.max(0, unused.length - limit));
}

/** Keeps the ControllerRevisions of one kind of sets. */
export class RevisionKeeper {
  private readonly client: Client;
  private readonly cache: Cache<ControllerRevision>;
  private readonly written: Written;
  private readonly hashLabel: string;

  /** `hashLabel` is the label of a revision that carries its hash. */
  constructor(client: Client, cache: Cache<ControllerRevision>, written: Written, hashLabel: string) {
    this.client = client;
    this.cache = cache;
    this.written = written;
    this.hashLabel = hashLabel;
  }

  /**
   * Finds or makes the revision of the set's present template; a revision that a rollback made current again becomes the newest.
   * Undefined when another set's revision has the same name: count a collision and come again.
   */
  async sync(owner: Revised, revisions: readonly ControllerRevision[]): Promise<History | undefined> {
    const all = byRevision(revisions);
    const data = templatePatch(owner.spec.template);
    const text = JSON.stringify(data);
    const latest = all.at(-1);
    const equal = all.findLast((revision) => JSON.stringify(revision.data) === text);
    if (equal && equal === latest) return { current: equal, all };
    const number = (latest?.revision ?? 0) + 1;
    if (equal) {
      const current = await this.client.update(ControllerRevisions, { ...equal, revision: number });
      this.written.wrote(keyOf(owner), this.cache, current);
      return { current, all: byRevision([...all.filter((revision) => revision !== equal), current]) };
    }
    const current = await this.create(owner, data, number);
    return current && { current, all: [...all, current] };
  }

  async remove(owner: Revised, revisions: readonly ControllerRevision[]): Promise<void> {
    for (const revision of revisions) {
      await this.client.delete(ControllerRevisions, revision.metadata).catch(ignoreMissing);
      this.written.deleted(keyOf(owner), this.cache, revision);
    }
  }

  private async create(owner: Revised, data: Record<string, unknown>, revision: number): Promise<ControllerRevision | undefined> {
    const { namespace = "", name: ownerName, annotations } = owner.metadata;
    const hash = hashSuffix(data, owner.status?.collisionCount);
    const name = `${ownerName}-${hash}`;
    try {
      const created = await this.client.create(ControllerRevisions, {
        apiVersion: "apps/v1",
        kind: "ControllerRevision",
        metadata: {
          name,
          namespace,
          labels: { ...owner.spec.template.metadata?.labels, [this.hashLabel]: hash },
          ...(annotations ? { annotations } : {}),
          ownerReferences: [controllerReference(owner)],
        },
        data,
        revision,
      });
      this.written.wrote(keyOf(owner), this.cache, created);
      return created;
    } catch (error) {
      if (!isReason(error, "AlreadyExists")) throw error;
      const there = await this.client.get(ControllerRevisions, { namespace, name });
      return isControlledBy(there, owner) && JSON.stringify(there.data) === JSON.stringify(data) ? there : undefined;
    }
  }
}

/** The value with the members of every object in the order of their names. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, member]) => [name, sorted(member)]));
}
