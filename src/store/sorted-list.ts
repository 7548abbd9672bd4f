const longest = 512;

/**
 * Items in the order of their ids, each id once. A list of short sorted arrays: adding and removing cost a binary search
 * and the move of a few hundred pointers, however many items there are; walking costs as much as walking an array.
 */
export class SortedList<T extends { readonly id: string }> {
  private runs: T[][] = [];

  /** Adds an item whose id is not there yet. */
  add(item: T): void {
    const at = this.runFor(item.id);
    const run = this.runs[at];
    if (!run) {
      this.runs.push([item]);
      return;
    }
    run.splice(firstNotBelow(run, item.id), 0, item);
    if (run.length > longest) this.runs.splice(at + 1, 0, run.splice(longest / 2));
  }

  /** Takes out the item of that id, if there is one. */
  remove(id: string): void {
    const at = this.runFor(id);
    const run = this.runs[at];
    if (!run) return;
    const index = firstNotBelow(run, id);
    if (run[index]?.id !== id) return;
    run.splice(index, 1);
    if (run.length === 0) this.runs.splice(at, 1);
  }

  /** Visits the items with from <= id < to (undefined: to the end), in order, until the visitor says no. The list must not change meanwhile. */
  walk(from: string, to: string | undefined, visit: (item: T) => boolean): void {
    const [first, start] = this.place(from);
    const [last, stop] = this.place(to);
    for (let at = first; at <= last; at++) {
      const run = this.runs[at] ?? [];
      const end = at === last ? stop : run.length;
      for (let index = at === first ? start : 0; index < end; index++) {
        const item = run[index];
        if (item && !visit(item)) return;
      }
    }
  }

  /** How many items there are with from <= id < to (undefined: to the end). */
  count(from: string, to: string | undefined): number {
    const [first, start] = this.place(from);
    const [last, stop] = this.place(to);
    let count = stop - start;
    for (let at = first; at < last; at++) count += this.runs[at]?.length ?? 0;
    return Math.max(count, 0);
  }

  /** The run and the index in it where the items begin whose id is not below; undefined: the end. */
  private place(id: string | undefined): [at: number, index: number] {
    if (id === undefined) return [this.runs.length, 0];
    const at = this.runFor(id);
    return [at, firstNotBelow(this.runs[at] ?? [], id)];
  }

  /** The last run that begins at or below the id, or the first one. */
  private runFor(id: string): number {
    let low = 0;
    let high = this.runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const first = this.runs[middle]?.[0];
      if (first && first.id <= id) low = middle + 1;
      else high = middle;
    }
    return Math.max(low - 1, 0);
  }
}

function firstNotBelow(run: readonly { readonly id: string }[], id: string): number {
  let low = 0;
  let high = run.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = run[middle];
    if (item && item.id < id) low = middle + 1;
    else high = middle;
  }
  return low;
}
