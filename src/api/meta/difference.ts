/** The lines in which two values' JSON differ, as hunks of a unified diff with three lines around them: part of refusals of changes. */
export function difference(before: unknown, after: unknown): string {
  const lines = edits(JSON.stringify(before, null, 1).split("\n"), JSON.stringify(after, null, 1).split("\n"));
  const changed = lines.flatMap((line, i) => (line.startsWith(" ") ? [] : [i]));
  const shown = lines.map((_, i) => changed.some((at) => Math.abs(at - i) <= 3));
  const hunks: string[] = [];
  for (let from = shown.indexOf(true); from >= 0; ) {
    const end = shown.indexOf(false, from);
    const hunk = lines.slice(from, end < 0 ? undefined : end);
    const range = (sign: string): string => {
      const at = lines.slice(0, from).filter((line) => !line.startsWith(sign)).length + 1;
      return `${at},${hunk.filter((line) => !line.startsWith(sign)).length}`;
    };
    hunks.push(`@@ -${range("+")} +${range("-")} @@`, ...hunk);
    from = end < 0 ? -1 : shown.indexOf(true, end);
  }
  return [...hunks, ""].join("\n");
}

/** All lines, each with what becomes of it in front: " " stays, "-" goes, "+" comes. */
function edits(a: readonly string[], b: readonly string[]): string[] {
  // How many lines the rests from here on have in common.
  const common = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  const at = (i: number, j: number): number => common[i]?.[j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      (common[i] as Uint16Array)[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const lines: string[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length; )
    if (i < a.length && a[i] === b[j]) {
      lines.push(` ${a[i++]}`);
      j++;
    } else if (i < a.length && (j >= b.length || at(i + 1, j) >= at(i, j + 1))) lines.push(`-${a[i++]}`);
    else lines.push(`+${b[j++]}`);
  return lines;
}
