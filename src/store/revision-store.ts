import { type Clock, systemClock } from "../lib/clock.ts";
import { GroupCommit, type Logged } from "./group-commit.ts";
import type { Log, LogCounts, LogRecord } from "./log.ts";
import { Past, type PastWindow } from "./past.ts";
import { hasSharedParts } from "./shared-parts.ts";
import { DeletedState, State } from "./state.ts";
import {
  Compacted,
  type Key,
  type ListQuery,
  type ListResult,
  PreconditionFailed,
  type Store,
  type StoredObject,
  type StoreEvent,
  StoreFailed,
  type StoreWatch,
  type Write,
} from "./store.ts";
import { idOf, type Table, Tables } from "./table.ts";
import { Watchers } from "./watchers.ts";

/** How many revisions the log forgets in one step: writes go on between two steps. */
const compactionStep = 500;
/** From so many rows that may go on the log on the disk is compacted: an idle cluster does not write in order to forget. */
const worthCompacting = 1000;

/** What a store may be told when it is opened. */
export interface RevisionStoreOptions {
  clock?: Clock;
  /**
   * Of which objects a new state may be told before it is on the disk: it comes there with the next write that is not lazy, or after
   * lazyDelay, and at the latest when the store is closed. A crash may lose it, never a write before it. A deletion is never lazy.
   */
  lazy?: ((key: Key) => boolean) | undefined;
  /** How long a lazy write may stay away from the disk, in milliseconds; default 5 minutes. */
  lazyDelay?: number;
  /** About how many bytes of history, and a quarter of the size of what is there, are kept before its older half is forgotten, whatever its age. */
  maxHistory?: number;
  /** How much of the past is kept on the disk beyond that; default: none. */
  past?: PastWindow;
}

/** Resources of which many objects lie about that nobody in this process looks at: only their texts are kept. */
const toldOnce = new Set(["/events"]);
/** Where so many objects share parts, their texts take more than all else of them: they are made again when somebody asks, 10 us for each. */
const many = 10_000;

/** A write that has its revision and waits for the disk. */
interface PendingWrite extends Logged {
  readonly table: Table;
  readonly id: string;
  /** Undefined for a deletion. */
  readonly state: State | undefined;
  resolve(stored: StoredObject): void;
  reject(error: unknown): void;
}

/** The store above any log: revisions, preconditions, group commit, index, history and watches, all in memory. */
export class RevisionStore implements Store {
  private readonly log: Log;
  private readonly maxHistory: number;
  private readonly isLazy: (key: Key) => boolean;
  private readonly tables = new Tables();
  private readonly watchers = new Watchers();
  private readonly commits: GroupCommit<PendingWrite>;
  readonly past: Past;
  /** What the last batch wrote of which one form will do once its writers and watchers have seen it. */
  private readonly told: State[] = [];
  /** The revision given to the last write, committed or not. */
  private given = 1;
  private committed = 1;
  private oldest = 1;
  /** The revision that the log on the disk was compacted to. */
  private compacted = 1;
  /** Revisions between these two are not known any more: lazy writes that came to the disk later as others, or never. */
  private gaps: { after: number; before: number }[] = [];
  /** Why no more writes are taken. */
  private ended: StoreFailed | undefined;
  private closing: Promise<void> | undefined;

  private constructor(log: Log, options: RevisionStoreOptions) {
    const { clock = systemClock, lazy = () => false, lazyDelay = 5 * 60_000, maxHistory = 32 * 2 ** 20 } = options;
    this.log = log;
    this.isLazy = lazy;
    this.maxHistory = maxHistory;
    this.commits = new GroupCommit({
      log,
      clock,
      lazyDelay,
      committed: (batch) => this.commit(batch),
      failed: (error, lost) => this.fail(error, lost),
    });
    this.past = new Past({
      log,
      clock,
      window: options.past ?? { milliseconds: 0, bytes: 0 },
      revisions: () => this,
      list: (query) => this.tables.find(query.resource)?.list(query).objects ?? [],
      flush: () => this.commits.flush(),
    });
  }

  /** Opens the log and reads it. Rejects with StoreFailed when it cannot be used or does not hold together; `name` is for that message. */
  static async open(log: Log, name: string, options: RevisionStoreOptions = {}): Promise<RevisionStore> {
    const store = new RevisionStore(log, options);
    try {
      const { compacted, ceiling } = await log.open();
      store.oldest = store.committed = store.compacted = compacted;
      for (let next = log.read(0); ; ) {
        const records = await next;
        const last = records.at(-1);
        if (!last) break;
        // The log reads on while these are taken in.
        next = log.read(last.revision);
        next.catch(() => {});
        for (const record of records)
          if (!store.replay(record))
            throw new StoreFailed(`${name} is damaged: revision ${record.revision} does not follow what is before it; restore a backup`);
      }
      store.commits.start(store.committed, ceiling);
      // The process before did not end in order: up to the ceiling it may have told of writes that are lost.
      if (ceiling > store.committed) store.skipTo(ceiling);
      store.given = store.committed;
      return store;
    } catch (error) {
      await log.close().catch(() => {});
      throw error;
    }
  }

  /** Takes in a record of the log; says no when what it was written upon is not there: a log with a hole is not the cluster. */
  private replay(record: LogRecord): boolean {
    const table = this.tables.of(record.key.resource);
    const id = idOf(record.key);
    const there = table.get(id)?.revision ?? 0;
    const state = record.text === undefined ? undefined : State.read(record.key, record.revision, record.text);
    if (state && oneFormWillDo(state, table)) state.keepOneForm();
    if (record.revision <= this.oldest) {
      if (!state || there > 0) return false;
      table.restore(id, record, state);
      return true;
    }
    const { follows = record.revision - 1 } = record;
    const isNext = follows === this.committed || (follows < this.oldest && this.committed === this.oldest);
    if (!isNext || record.replaces !== there || !(state || there)) return false;
    table.apply(id, record, state);
    this.commits.deadRows += (there > 0 ? 1 : 0) + (state ? 0 : 1);
    this.skipTo(record.revision);
    return true;
  }

  private skipTo(revision: number): void {
    if (revision > this.committed + 1) this.gaps.push({ after: this.committed, before: revision });
    this.committed = revision;
  }

  /** Throws Compacted when the state at that revision is not known any more. */
  private checkKnown(revision: number): void {
    if (revision < this.oldest) throw new Compacted(revision, this.oldest);
    for (const { after, before } of this.gaps) if (revision > after && revision < before) throw new Compacted(revision, before);
  }

  get revision(): number {
    return this.committed;
  }

  get counts(): LogCounts {
    return this.log.counts;
  }

  get failure(): StoreFailed | undefined {
    return this.ended;
  }

  get oldestRevision(): number {
    return this.oldest;
  }

  get(key: Key): StoredObject | undefined {
    return this.tables.get(key);
  }

  latest(key: Key): StoredObject | undefined {
    return this.tables.find(key.resource)?.latest(idOf(key));
  }

  list(query: ListQuery): ListResult {
    const revision = query.revision ?? this.committed;
    this.checkKnown(revision);
    if (revision > this.committed) throw new RangeError(`revision ${revision} is not there yet; the newest is ${this.committed}`);
    const past = revision === this.committed ? undefined : revision;
    const page = this.tables.find(query.resource)?.list({ ...query, revision: past }) ?? { objects: [], remaining: 0 };
    return { ...page, revision };
  }

  count(resource: string): number {
    return this.tables.find(resource)?.size ?? 0;
  }

  isStale({ key, revision }: StoredObject): boolean {
    return this.log.isStale?.(key, revision) ?? false;
  }

  write({ key, expect, object, managed }: Write): Promise<StoredObject> {
    if (this.ended) throw this.ended;
    const refusal = object && this.log.refusal?.(key.resource);
    if (refusal) throw new StoreFailed(refusal);
    const table = this.tables.of(key.resource);
    const id = idOf(key);
    const current = table.latest(id);
    const replaces = current?.revision ?? 0;
    if (replaces !== expect || !(current || object)) throw new PreconditionFailed(key, current);
    const revision = this.given + 1;
    const state = object && State.of(key, revision, object, managed);
    this.given = revision;
    const record = { revision, key, replaces, text: state?.text, time: this.past.note(revision) };
    return new Promise((resolve, reject) => {
      const write = { record, lazy: state !== undefined && this.isLazy(key), table, id, state, resolve, reject };
      table.underway.set(id, write);
      this.commits.add(write);
    });
  }

  /** A batch is durable: each write becomes visible, is told to the watchers, and then to its writer. */
  private commit(batch: readonly PendingWrite[]): void {
    for (const state of this.told.splice(0)) state.keepOneForm();
    for (const write of batch) {
      const { record, table, id, state } = write;
      const event = table.apply(id, record, state);
      this.committed = record.revision;
      if (table.underway.get(id) === write) table.underway.delete(id);
      this.watchers.tell(event);
      keepOneForm(event);
      if (state && oneFormWillDo(state, table)) this.told.push(state);
      write.resolve(event.object);
    }
    // A process without memory serves nobody: under a storm of updates the window of history gets shorter.
    if (this.tables.historyExceeds(this.maxHistory)) this.compact(Math.ceil((this.oldest + this.committed) / 2)).catch(() => {});
  }

  private fail(error: unknown, lost: readonly PendingWrite[]): void {
    this.ended = error instanceof StoreFailed ? error : new StoreFailed(`the store failed: ${String(error)}; restart the server`);
    this.given = this.committed;
    for (const { table, id } of lost) table.underway.delete(id);
    for (const write of lost) write.reject(this.ended);
  }

  watch(options: { resource?: string; namespace?: string; from: number }, handler: (event: StoreEvent) => void): StoreWatch {
    if (this.closing) throw new StoreFailed("the store is closed");
    this.checkKnown(options.from);
    return this.watchers.add(options, this.tables.changesAfter(options.resource, options.from), handler);
  }

  async compact(revision: number): Promise<void> {
    if (this.ended) throw this.ended;
    if (revision > this.committed) throw new RangeError(`revision ${revision} is not there yet; the newest is ${this.committed}`);
    if (revision <= this.oldest) return;
    this.oldest = revision;
    this.gaps = this.gaps.filter(({ before }) => before > revision);
    this.tables.forget(revision);
    this.past.forget(revision);
    if (this.commits.deadRows >= worthCompacting || this.log.wantsCompaction) await this.compactLog();
  }

  /** Forgets on the disk what is forgotten here. */
  private async compactLog(): Promise<void> {
    const { oldest, compacted } = this;
    if (oldest <= compacted) return;
    this.compacted = oldest;
    this.commits.deadRows = 0;
    // What is told only must not come to the log below the revision it is compacted to.
    await this.commits.flush();
    const keep = this.log.wantsCompaction ? undefined : this.past.keep();
    for (let step = compacted; step < oldest; ) {
      step = Math.min(step + compactionStep, oldest);
      await this.log.compact(step, keep);
    }
  }

  async backup(path: string): Promise<void> {
    await this.commits.flush();
    await this.log.backup(path);
  }

  close(): Promise<void> {
    const intact = !this.ended;
    this.ended ??= new StoreFailed("the store is closed");
    this.closing ??= this.end(intact);
    return this.closing;
  }

  private async end(intact: boolean): Promise<void> {
    await this.commits.flush();
    // Whatever does not work here is found in order by the next start.
    if (intact)
      await this.commits
        .finish(this.committed)
        .then(() => this.compactLog())
        .catch(() => {});
    await this.log.close();
  }
}

/** Whether nobody needs both the text and the parsed form of such an object. */
function oneFormWillDo({ key }: State, { size }: Table): boolean {
  return toldOnce.has(key.resource) || (size > many && hasSharedParts(key.resource));
}

/** Once everybody has been told, what was replaced is history. */
function keepOneForm({ previous, object }: StoreEvent): void {
  if (previous instanceof State && !(object instanceof DeletedState)) previous.keepOneForm();
}
