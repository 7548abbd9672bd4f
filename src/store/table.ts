import { type Entry, LabelIndex } from "./label-index.ts";
import type { LogRecord } from "./log.ts";
import { SortedList } from "./sorted-list.ts";
import { DeletedState, State } from "./state.ts";
import type { Key, ListQuery, StoredObject, StoreEvent } from "./store.ts";

/** "namespace/name": what an object is called inside its resource, and the order of lists. */
export function idOf(key: { namespace: string; name: string }): string {
  return `${key.namespace}/${key.name}`;
}

/** What the history holds of an event beside the newest state. */
function sizeInHistory({ previous }: StoreEvent): number {
  return 200 + (previous instanceof State ? previous.size : 0);
}

/** A write that is on its way to the disk: the new state, undefined for a deletion. */
interface Underway {
  readonly state: State | undefined;
}

/** The committed objects of one resource: their newest states in order, and the changes since the oldest revision kept. */
export class Table {
  /** The newest write of each id that is still on its way. */
  readonly underway = new Map<string, Underway>();
  private readonly entries = new Map<string, Entry>();
  private readonly order = new SortedList<Entry>();
  private readonly byLabel = new LabelIndex();
  private history: StoreEvent[] = [];
  /** About how many bytes the history takes beside the newest states: the texts that were replaced, and what surrounds them. */
  historySize = 0;
  /** The same of the newest states. */
  liveSize = 0;

  get size(): number {
    return this.entries.size;
  }

  get(id: string): State | undefined {
    return this.entries.get(id)?.state;
  }

  /** The newest state, including writes that are on their way. */
  latest(id: string): State | undefined {
    const write = this.underway.size > 0 ? this.underway.get(id) : undefined;
    return write ? write.state : this.get(id);
  }

  /** Takes in a committed change; `state` is undefined for a deletion. Gives the event, which is now part of the history. */
  apply(id: string, record: LogRecord, state: State | undefined): StoreEvent {
    const event = this.put(id, record, state);
    this.history.push(event);
    this.historySize += sizeInHistory(event);
    return event;
  }

  /** Takes in a state from before the oldest revision kept. */
  restore(id: string, record: LogRecord, state: State): void {
    this.put(id, record, state);
  }

  private put(id: string, record: LogRecord, state: State | undefined): StoreEvent {
    const entry = this.entries.get(id);
    const previous = entry?.state;
    this.liveSize += (state?.size ?? 0) - (previous?.size ?? 0);
    if (state) {
      const now = entry ?? this.insert({ id, state });
      now.state = state;
      this.byLabel.update(now, previous, state);
      return { type: previous ? "MODIFIED" : "ADDED", object: state, previous };
    }
    if (!entry || !previous) throw new Error(`revision ${record.revision} deletes ${record.key.resource} ${id}, which is not there`);
    this.entries.delete(id);
    this.order.remove(id);
    this.byLabel.update(entry, previous, undefined);
    return { type: "DELETED", object: new DeletedState(previous, record.revision), previous };
  }

  private insert(entry: Entry): Entry {
    this.entries.set(entry.id, entry);
    this.order.add(entry);
    return entry;
  }

  /** The changes after that revision, in order. */
  changesAfter(revision: number): StoreEvent[] {
    return this.history.slice(this.firstAfter(revision));
  }

  /** Forgets the changes up to that revision. */
  forget(revision: number): void {
    const first = this.firstAfter(revision);
    if (first === 0) return;
    for (const event of this.history.splice(0, first)) this.historySize -= sizeInHistory(event);
  }

  private firstAfter(revision: number): number {
    let low = 0;
    let high = this.history.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const event = this.history[middle];
      if (event && event.object.revision <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The page that the query asks for, as of the query's revision or the newest one. */
  list({ namespace, after, match, label, revision, limit = 0 }: ListQuery): { objects: StoredObject[]; remaining: number } {
    // No name holds a control character: the id with one appended comes directly after the id. And "0" comes directly after "/".
    const afterId = after && `${idOf(after)}\0`;
    const prefix = namespace === undefined ? "" : `${namespace}/`;
    const from = afterId !== undefined && afterId > prefix ? afterId : prefix;
    const to = namespace === undefined ? undefined : `${namespace}0`;
    const past = revision === undefined ? undefined : this.changesUndone(from, to, revision);
    const objects: StoredObject[] = [];
    if (limit && !match) {
      this.walk(from, to, past, (state) => objects.push(state) < limit);
      return { objects, remaining: this.order.count(from, to) + (past?.more ?? 0) - objects.length };
    }
    let remaining = 0;
    const take = (state: StoredObject): boolean => {
      if (match && !match(state)) return true;
      if (!limit || objects.length < limit) objects.push(state);
      else remaining++;
      return true;
    };
    const labelled = label && !past ? this.byLabel.find(label.key, label.value, this.entries) : undefined;
    // Sorting most of them would cost more than to walk all.
    if (labelled && labelled.size < this.size / 8) for (const { state } of inOrder(labelled, from, to)) take(state);
    else this.walk(from, to, past, take);
    return { objects, remaining };
  }

  /** Visits the states with from <= id < to, in order, until the visitor says no: the newest, or those before what is undone. */
  private walk(from: string, to: string | undefined, past: Undone | undefined, visit: (state: StoredObject) => boolean): void {
    if (!past) {
      this.order.walk(from, to, ({ state }) => visit(state));
      return;
    }
    const { before, gone } = past;
    let next = 0;
    const visitGone = (until?: string): boolean => {
      for (let item = gone[next]; item && (until === undefined || item[0] < until); item = gone[++next]) if (!visit(item[1])) return false;
      return true;
    };
    let goesOn = true;
    this.order.walk(from, to, ({ id, state }) => {
      const was = before.has(id) ? before.get(id) : state;
      goesOn = visitGone(id) && (!was || visit(was));
      return goesOn;
    });
    if (goesOn) visitGone();
  }

  /** What has to be undone, of the ids with from <= id < to, to have the states of that revision; undefined where nothing has changed since. */
  private changesUndone(from: string, to: string | undefined, revision: number): Undone | undefined {
    const changes = this.changesAfter(revision);
    if (changes.length === 0) return undefined;
    const before = new Map<string, StoredObject | undefined>();
    for (const { object, previous } of changes.reverse()) {
      const id = idOf(object.key);
      if (id >= from && (to === undefined || id < to)) before.set(id, previous);
    }
    const gone: [id: string, state: StoredObject][] = [];
    let more = 0;
    for (const [id, state] of before) {
      const isThere = this.entries.has(id);
      more += Number(!!state) - Number(isThere);
      if (state && !isThere) gone.push([id, state]);
    }
    return { before, gone: gone.sort(([a], [b]) => (a < b ? -1 : 1)), more };
  }
}

/** How a past revision differs from the newest states. */
interface Undone {
  /** The state of each id that has changed since; undefined: it was not there. */
  readonly before: ReadonlyMap<string, StoredObject | undefined>;
  /** Those that have been deleted since, in order. */
  readonly gone: readonly [id: string, state: StoredObject][];
  /** How many more there were. */
  readonly more: number;
}

function inOrder(entries: ReadonlySet<Entry>, from: string, to: string | undefined): Entry[] {
  const wanted = [...entries].filter(({ id }) => id >= from && (to === undefined || id < to));
  return wanted.sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** The tables of all resources, made when first needed. */
export class Tables {
  private readonly byResource = new Map<string, Table>();

  of(resource: string): Table {
    let table = this.byResource.get(resource);
    if (!table) this.byResource.set(resource, (table = new Table()));
    return table;
  }

  find(resource: string): Table | undefined {
    return this.byResource.get(resource);
  }

  get(key: Key): State | undefined {
    return this.byResource.get(key.resource)?.get(idOf(key));
  }

  /** The changes of one resource, or of all, after that revision, in order. */
  changesAfter(resource: string | undefined, revision: number): StoreEvent[] {
    if (resource !== undefined) return this.find(resource)?.changesAfter(revision) ?? [];
    const changes = [...this.byResource.values()].flatMap((table) => table.changesAfter(revision));
    return changes.sort((a, b) => a.object.revision - b.object.revision);
  }

  /** Whether the history takes more than so many bytes and a quarter of what the newest states take. */
  historyExceeds(bytes: number): boolean {
    let left = bytes;
    for (const { historySize, liveSize } of this.byResource.values()) left += liveSize / 4 - historySize;
    return left < 0;
  }

  forget(revision: number): void {
    for (const table of this.byResource.values()) table.forget(revision);
  }
}
