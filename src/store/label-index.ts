import type { State } from "./state.ts";

/** An object that is there, with its newest committed state. */
export interface Entry {
  readonly id: string;
  state: State;
}

/** Below that size walking all objects is fast enough. */
const worthwhile = 1000;
const mostKeys = 8;

/**
 * The objects of one table by the values of the labels that are selected by again and again: made when a label is asked for a second time,
 * kept for the labels asked for last.
 */
export class LabelIndex {
  private readonly asked = new Set<string>();
  private readonly byKey = new Map<string, Map<string, Set<Entry>>>();

  /** The objects with that label, in no order; undefined where there is no index, and none is worth it. */
  find(key: string, value: string, all: ReadonlyMap<string, Entry>): ReadonlySet<Entry> | undefined {
    let byValue = this.byKey.get(key);
    if (byValue) this.byKey.delete(key);
    else if (all.size < worthwhile || !this.asked.delete(key)) {
      this.asked.add(key);
      return undefined;
    } else {
      byValue = new Map();
      for (const entry of all.values()) add(byValue, labelOf(entry.state, key), entry);
    }
    this.byKey.set(key, byValue); // The one asked for last is the last.
    const [oldest = key] = this.byKey.keys();
    if (this.byKey.size > mostKeys) this.byKey.delete(oldest);
    return byValue.get(value) ?? new Set();
  }

  /** Takes in that an object has another state: undefined where it was not there before, or is not any more. */
  update(entry: Entry, before: State | undefined, after: State | undefined): void {
    for (const [key, byValue] of this.byKey) {
      const was = before && labelOf(before, key);
      const is = after && labelOf(after, key);
      if (was === is) continue;
      remove(byValue, was, entry);
      add(byValue, is, entry);
    }
  }
}

function labelOf({ object }: State, key: string): string | undefined {
  return object.metadata.labels?.[key];
}

function add(byValue: Map<string, Set<Entry>>, value: string | undefined, entry: Entry): void {
  if (value === undefined) return;
  const entries = byValue.get(value);
  if (entries) entries.add(entry);
  else byValue.set(value, new Set([entry]));
}

function remove(byValue: Map<string, Set<Entry>>, value: string | undefined, entry: Entry): void {
  if (value === undefined) return;
  const entries = byValue.get(value);
  entries?.delete(entry);
  if (entries?.size === 0) byValue.delete(value);
}
