/** A struct of upstream's: its fields in order, each with what stands there when it is absent, or the struct or function that makes it. */
export interface GoShape {
  readonly [field: string]: string | number | boolean | null | GoShape | ((value: never) => unknown);
}

/** The value as upstream's own struct, whose names and order its refusals show: "APIGroup" for "apiGroup". */
export function goStruct(value: object | undefined, shape: GoShape): object {
  const entries = Object.entries(shape).map(([name, absent]) => {
    const key = name.replace(/^([A-Z]+(?=[A-Z][a-z]|$)|[A-Z])/, (start) => start.toLowerCase());
    const child: unknown = value?.[key as keyof typeof value];
    if (typeof absent === "function") return [name, child === undefined ? null : absent(child as never)];
    return [name, typeof absent === "object" && absent ? goStruct(child as object | undefined, absent) : (child ?? absent)];
  });
  return Object.fromEntries(entries);
}
