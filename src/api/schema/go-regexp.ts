/** A Go (RE2) expression as a JavaScript one; one that JavaScript cannot read throws a SyntaxError. */
export function goRegExp(pattern: string, moreFlags = ""): RegExp {
  const flags = /^\(\?([ims]+)\)/.exec(pattern);
  const source = pattern
    .slice(flags?.[0].length ?? 0)
    .replaceAll("(?P<", "(?<")
    .replaceAll("\\A", "^")
    .replaceAll("\\z", "$");
  const all = `${flags?.[1] ?? ""}${moreFlags}`;
  try {
    return new RegExp(source, `${all}u`);
  } catch {
    return new RegExp(source, all); // more tolerant
  }
}
