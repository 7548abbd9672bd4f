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

  /** The items whose id is not below the given one, in order. The list must not change meanwhile. */
  *from(id: string): Generator<T, void> {
    let at = this.runFor(id);
    let run = this.runs[at];
    if (!run) return;
    for (let index = firstNotBelow(run, id); ; index = 0) {
      for (; index < run.length; index++) {
        const item = run[index];
        if (item) yield item;
      }
      run = this.runs[++at];
      if (!run) return;
    }
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
