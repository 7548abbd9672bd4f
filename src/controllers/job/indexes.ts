/** Sets of completion indexes, as a Job's status writes them: "1,3-5,7". */

/** The indexes of a text, below `completions`; what cannot be read is left out. */
export function parseIndexes(text: string | undefined, completions = Number.MAX_SAFE_INTEGER): Set<number> {
  const indexes = new Set<number>();
  for (const part of text ? text.split(",") : []) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (!match) continue;
    const last = Math.min(Number(match[2] ?? match[1]), completions - 1);
    for (let i = Number(match[1]); i <= last; i++) indexes.add(i);
  }
  return indexes;
}

/** The text of a set: in order, three or more in a row as a range. */
export function formatIndexes(indexes: ReadonlySet<number>): string {
  const parts: string[] = [];
  const sorted = [...indexes].sort((a, b) => a - b);
  for (let i = 0; i < sorted.length; ) {
    let end = i;
    while (sorted[end + 1] === (sorted[end] ?? 0) + 1) end++;
    const [first, last] = [sorted[i], sorted[end]];
    parts.push(end === i ? `${first}` : end === i + 1 ? `${first},${last}` : `${first}-${last}`);
    i = end + 1;
  }
  return parts.join(",");
}
