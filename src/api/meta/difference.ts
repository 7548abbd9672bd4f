/** The lines in which two values' JSON differ, as one hunk of a unified diff with three lines around it: part of refusals of changes. */
export function difference(before: unknown, after: unknown): string {
  const a = JSON.stringify(before, null, 1).split("\n");
  const b = JSON.stringify(after, null, 1).split("\n");
  let start = 0;
  while (start < a.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  const from = Math.max(0, start - 3);
  const tail = Math.max(0, end - 3);
  const removed = a.slice(start, a.length - end).map((line) => `-${line}`);
  const added = b.slice(start, b.length - end).map((line) => `+${line}`);
  const context = (lines: string[]): string[] => lines.map((line) => ` ${line}`);
  return [
    `@@ -${from + 1},${a.length - tail - from} +${from + 1},${b.length - tail - from} @@`,
    ...context(a.slice(from, start)),
    ...removed,
    ...added,
    ...context(a.slice(a.length - end, a.length - tail)),
    "",
  ].join("\n");
}
