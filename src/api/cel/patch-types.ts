import { type Environment, Optional } from "@marcbachmann/cel-js";
import { celEqual } from "./library/equality.ts";
import { CelField, CelJsonPatch, CelObject } from "./values.ts";

/** An entry of a list or map literal that is left out when there is no value: [?x]. */
class OptionalEntry {
  readonly value: Optional;

  constructor(value: Optional) {
    this.value = value;
  }
}

/** None or one: an entry that is not optional is there. */
function present(entry: unknown): unknown[] {
  if (!(entry instanceof OptionalEntry)) return [entry];
  return entry.value.hasValue() ? [entry.value.value()] : [];
}

/** Registers what rewritten constructions call; see construction.ts. */
export function registerConstructions(environment: Environment): void {
  environment
    .registerType("Object", { ctor: CelObject, fields: {} })
    .registerType("Object.field", { ctor: CelField, fields: {} })
    .registerType("JSONPatch", { ctor: CelJsonPatch, fields: { op: "string", path: "string", from: "string", value: "dyn" } })
    .registerType("OptionalEntry", OptionalEntry)
    .registerOperator("Object == Object", celEqual)
    .registerOperator("Object.field == Object.field", celEqual)
    .registerOperator("JSONPatch == JSONPatch", celEqual)
    .registerFunction("makeObject(map): Object", (fields: Record<string, unknown>) => new CelObject("Object", fields))
    .registerFunction("makeField(string, map): Object.field", (type: string, fields: Record<string, unknown>) => new CelField(type, fields))
    .registerFunction("makeJSONPatch(map): JSONPatch", (fields: Record<string, unknown>) => new CelJsonPatch(fields))
    .registerFunction("optionalEntry(optional<A>): dyn", (value: unknown) => (value instanceof Optional ? new OptionalEntry(value) : value))
    .registerFunction("presentElements(list): list", (list: unknown[]) => list.flatMap(present))
    .registerFunction("presentEntries(map): map", (map: Record<string, unknown>) =>
      Object.fromEntries(Object.entries(map).flatMap(([key, entry]) => present(entry).map((value) => [key, value]))),
    );
}

/** Registers `jsonpatch.escapeKey`. */
export function registerJsonPatch(environment: Environment): void {
  class JsonPatch {}
  environment
    .registerType("kubernetes.Jsonpatch", JsonPatch)
    .registerConstant("jsonpatch", "kubernetes.Jsonpatch", new JsonPatch())
    .registerFunction("kubernetes.Jsonpatch.escapeKey(string): string", (_: JsonPatch, key: string) =>
      key.replaceAll("~", "~0").replaceAll("/", "~1"),
    );
}
