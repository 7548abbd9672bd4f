/** A changed copy of an object, and what was changed in words: "spec.replicas: -1". */
export interface Mutation {
  what: string;
  object: Record<string, unknown>;
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const long = "x".repeat(300);

/** Every field of the object, changed in every way that its value suggests: left out, empty, of the wrong type, at the edges. */
export function* mutationsOf(object: object): Generator<Mutation> {
  for (const path of pathsOf(object as Json)) {
    if (path.length === 1 && (path[0] === "apiVersion" || path[0] === "kind")) continue;
    const value = at(object as Json, path);
    yield changed(object, path, undefined, "left out");
    for (const other of othersOf(value)) yield changed(object, path, other, brief(other));
  }
}

/** The values to put in the place of this one. */
function othersOf(value: Json): Json[] {
  if (typeof value === "string") return ["", "Bad Value!", long, "other", 7, null];
  if (typeof value === "number") return [-1, 0, value + 1, 2 ** 31, 1.5, "text", null];
  if (typeof value === "boolean") return [!value, "yes", null];
  if (Array.isArray(value)) return [[], ...(value.length > 0 ? [[...value, value[0] as Json]] : []), {}, null];
  return [{}, { ...value, nope: 1 }, "text", null];
}

function* pathsOf(value: Json, path: (string | number)[] = []): Generator<(string | number)[]> {
  if (path.length > 0) yield path;
  if (typeof value !== "object" || value === null) return;
  for (const [key, child] of Object.entries(value)) yield* pathsOf(child, [...path, Array.isArray(value) ? Number(key) : key]);
}

function at(value: Json, path: readonly (string | number)[]): Json {
  return path.reduce<Json>((parent, key) => (parent as { [key: string]: Json })[key] as Json, value);
}

function changed(object: object, path: (string | number)[], value: Json | undefined, how: string): Mutation {
  const copy = structuredClone(object) as { [key: string]: Json };
  const parent = at(copy, path.slice(0, -1)) as { [key: string]: Json };
  const key = path.at(-1) as string;
  if (value !== undefined) parent[key] = value;
  else if (Array.isArray(parent)) parent.splice(Number(key), 1);
  else delete parent[key];
  return { what: `${path.join(".")}: ${how}`, object: copy };
}

function brief(value: Json): string {
  const text = JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 40)}...` : text;
}
