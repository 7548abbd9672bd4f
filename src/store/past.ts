import type { Clock } from "../lib/clock.ts";
import type { Keep, Log, Moment } from "./log.ts";
import { Moments } from "./moments.ts";
import { State } from "./state.ts";
import { Compacted, type ListQuery, type ListResult, type Reads, type StoredObject } from "./store.ts";
import { idOf } from "./table.ts";

/** How long the past is kept at least, in milliseconds, unless it takes more bytes than that. */
export interface PastWindow {
  milliseconds: number;
  bytes: number;
}

/** That moment is before all that is kept; `oldest`: the first one kept, in milliseconds since 1970, where that is known. */
export class NotKept extends Error {
  readonly oldest: number | undefined;

  constructor(oldest: number | undefined) {
    super(`the past is not kept that far back`);
    this.oldest = oldest;
  }
}

/** What the past is told by. */
export interface PastParts {
  log: Log;
  clock: Clock;
  window: PastWindow;
  /** The newest committed revision, and the oldest that is in memory. */
  revisions(): { revision: number; oldestRevision: number };
  /** The states at a revision not older than the oldest one in memory. */
  list(query: ListQuery & { revision: number }): StoredObject[];
  /** Brings to the disk what has been told and is not there yet. */
  flush(): Promise<void>;
}

/** How many revisions are looked through at a time: meanwhile nobody else is served. */
const slice = 500;

/**
 * The cluster at past moments: what is in memory of them, and before that what the log on the disk still has. Of lazy writes (see StoreOptions)
 * that has the states that came to the disk.
 */
export class Past {
  private readonly parts: PastParts;
  private readonly moments = new Moments();

  constructor(parts: PastParts) {
    this.parts = parts;
  }

  /** Takes note of a write; see LogRecord.time. */
  note(revision: number): number | undefined {
    return this.moments.add(revision, this.parts.clock.now());
  }

  /** Moments before that revision are not needed in memory any more. */
  forget(revision: number): void {
    this.moments.forget(revision);
  }

  /** The revision that was the newest one at the end of that second. Throws NotKept. */
  revisionAt(milliseconds: number): number {
    const revision = this.find(milliseconds);
    if (revision === undefined) throw this.notKept();
    return revision;
  }

  private find(milliseconds: number): number | undefined {
    const at = this.moment("time", Math.floor(milliseconds / 1000));
    return at && Math.min((this.first(at.revision)?.revision ?? Number.POSITIVE_INFINITY) - 1, this.parts.revisions().revision);
  }

  /** When that revision was the newest one, to the second: milliseconds since 1970. */
  timeOf(revision: number): number | undefined {
    const at = this.moment("revision", revision);
    return at && at.time * 1000;
  }

  private moment(by: "time" | "revision", value: number): Moment | undefined {
    return this.moments.moment(by, value) ?? this.parts.log.past?.moment(by, value);
  }

  /** The first moment after that revision; what was lazy may be in memory only. */
  private first(after: number): Moment | undefined {
    const [here, there] = [this.moments.moment("after", after), this.parts.log.past?.moment("after", after)];
    return here && there ? (here.revision < there.revision ? here : there) : (here ?? there);
  }

  /** What compaction is to leave readable; undefined: nothing. */
  keep(): Keep | undefined {
    const { milliseconds, bytes } = this.parts.window;
    return milliseconds > 0 && this.parts.log.past ? { after: this.windowStart(), bytes } : undefined;
  }

  private windowStart(): number {
    const { clock, window } = this.parts;
    return this.find(clock.now() - window.milliseconds) ?? 1;
  }

  /** The oldest revision that can be read, the first moment of that in milliseconds since 1970, and about how many bytes the past takes on the disk. */
  facts(): { oldest: number; since: number | undefined; bytes: number } {
    const { revisions, log, window } = this.parts;
    const { oldestRevision } = revisions();
    const kept = window.milliseconds > 0 ? log.past?.facts() : undefined;
    const oldest = kept ? Math.min(oldestRevision, Math.max(kept.oldest, this.windowStart())) : oldestRevision;
    const { time } = this.moment("revision", oldest) ?? this.first(oldest) ?? {};
    return { oldest, since: time && time * 1000, bytes: kept?.bytes ?? 0 };
  }

  private notKept(): NotKept {
    return new NotKept(this.facts().since);
  }

  private checkKept(revision: number): void {
    if (revision < this.facts().oldest) throw this.notKept();
  }

  /** The states of one resource, or those wanted of it, at that revision, for as long as somebody holds them. Rejects with NotKept. */
  async at(revision: number, wanted: { resource: string; namespace?: string | undefined; name?: string | undefined }): Promise<Reads> {
    this.checkKept(revision);
    const { log, revisions, list, flush } = this.parts;
    const { oldestRevision: oldest } = revisions();
    const { resource, namespace, name } = wanted;
    const match = name === undefined ? undefined : ({ key }: StoredObject): boolean => key.name === name;
    const found = new Map<string, StoredObject>();
    for (const state of list({ resource, namespace, match, revision: Math.max(revision, oldest) }))
      if (state.revision <= revision) found.set(idOf(state.key), state);
    if (revision < oldest && log.past) {
      await flush();
      const committed = revisions().revision;
      for (let after = revision; after < committed; after += slice) {
        const ended = await log.past.states({ ...wanted, revision }, after, Math.min(after + slice, committed));
        for (const { key, revision: made, text = "" } of ended)
          if (!found.has(idOf(key))) found.set(idOf(key), State.read(key, made, text));
        await new Promise(setImmediate);
      }
      // Meanwhile the window may have moved on.
      this.checkKept(revision);
    }
    return new Snapshot(revision, found);
  }
}

/** The states of one resource at one revision. */
class Snapshot implements Reads {
  readonly revision: number;
  private readonly states: ReadonlyMap<string, StoredObject>;

  constructor(revision: number, states: ReadonlyMap<string, StoredObject>) {
    this.revision = revision;
    this.states = new Map([...states].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  get(key: { namespace: string; name: string }): StoredObject | undefined {
    return this.states.get(idOf(key));
  }

  list({ namespace, after, match, limit = 0, revision = this.revision }: ListQuery): ListResult {
    if (revision !== this.revision) throw new Compacted(revision, this.revision);
    const first = after && idOf(after);
    const objects: StoredObject[] = [];
    let remaining = 0;
    for (const [id, state] of this.states) {
      if (namespace !== undefined && state.key.namespace !== namespace) continue;
      if ((first !== undefined && id <= first) || (match && !match(state))) continue;
      if (!limit || objects.length < limit) objects.push(state);
      else remaining++;
    }
    return { objects, revision, remaining };
  }
}
