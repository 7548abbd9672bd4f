/** Whether two CEL values are equal: lists and maps member by member, numbers by their value, own types by their `equals`. */
export function celEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) {
    const numbers = [a, b].every((value) => typeof value === "bigint" || typeof value === "number");
    return numbers && Number(a) === Number(b);
  }
  if ("equals" in a && typeof a.equals === "function") return a.equals(b) === true;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => celEqual(item, b[i]));
  if (a.constructor !== b.constructor) return false;
  if (a.constructor !== Object) return a.valueOf() === b.valueOf();
  const names = Object.keys(a);
  const same = (name: string): boolean => Object.hasOwn(b, name) && celEqual(Reflect.get(a, name), Reflect.get(b, name));
  return names.length === Object.keys(b).length && names.every(same);
}
