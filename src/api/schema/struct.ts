import type { FieldFacts, TypeFacts } from "./facts.ts";
import types from "./types.json" with { type: "json" };

/** A JSON object of which nothing is known yet. */
export type JsonObject = Record<string, unknown>;

/** Whether the value is a JSON object (not null, not a list). */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The member of that name which an object itself has: names that users choose may be those of Object's own, such as "toString". */
export function ownMember<T>(of: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return of && Object.hasOwn(of, name) ? of[name] : undefined;
}

/** Sets a key that a client chose: "__proto__" becomes an ordinary key as well. */
export function setKey(object: JsonObject, key: string, value: unknown): void {
  if (key === "__proto__") Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  else object[key] = value;
}

/** A field as JSON shows it: the fields of embedded structs belong to the struct that embeds them. */
export interface StructField {
  name: string;
  facts: FieldFacts;
  /** The names of the embedded structs it came through ("VolumeSource"), as Go's error texts tell them. */
  through: string;
  /** Absent and zero are the same, and JSON shows neither. */
  omitZero: boolean;
}

const facts: Record<string, TypeFacts | undefined> = types;

/** The facts of a type. Throws when there is no such type: a programmer's mistake. */
export function typeFacts(typeName: string): TypeFacts {
  const found = facts[typeName];
  if (!found) throw new Error(`no type ${typeName}`);
  return found;
}

/** Whether the name is that of a struct or list type in the facts, and not of a scalar. */
export function isNamedType(type: string): boolean {
  return facts[type] !== undefined;
}

/** The item type of a list type: "[T]", or a named type that is a list; undefined for others. */
export function itemType(type: string): string | undefined {
  if (type.startsWith("[")) return type.slice(1, -1);
  return facts[type]?.scalar?.replace("list-message:", "");
}

/** The value type of a map type; undefined for others. */
export function valueType(type: string): string | undefined {
  return type.startsWith("{") ? type.slice(1, -1) : undefined;
}

/** All fields of a struct as JSON shows them. */
export function structFields(typeName: string, through = ""): StructField[] {
  return Object.entries(typeFacts(typeName).fields ?? {}).flatMap(([name, field]) =>
    name.startsWith("~")
      ? structFields(field.type, `${through}${name.slice(1)}.`)
      : [{ name, facts: field, through, omitZero: !field.ptr && !field.keep }],
  );
}

/** A type in Go's words: "v1.Container", "[]string", "map[string]string". */
export function goTypeName(type: string): string {
  const item = type.startsWith("[") ? type.slice(1, -1) : undefined;
  if (item !== undefined) return `[]${goTypeName(item)}`;
  if (type === "{quantity}") return "v1.ResourceList";
  const value = valueType(type);
  if (value !== undefined) return `map[string]${goTypeName(value)}`;
  if (facts[type]) return type.slice(type.indexOf(".") + 1);
  return goScalars[type] ?? type;
}

const goScalars: Record<string, string> = {
  bytes: "[]uint8",
  time: "string",
  "micro-time": "string",
  duration: "string",
  "int-or-string": "int32",
  json: "v1.JSON",
};

const kinds = new Map<string, string>();
for (const [name, type] of Object.entries(types)) for (const gvk of type.gvk ?? []) kinds.set(gvk, name);

/** The type of a kind ("apps/v1", "Deployment"), if it is built in. */
export function typeOfKind(apiVersion: string, kind: string): string | undefined {
  return kinds.get(`${apiVersion} ${kind}`);
}

/** The types of all kinds of a group version ("apps/v1"). */
export function typesOfGroupVersion(groupVersion: string): string[] {
  return [...kinds].filter(([gvk]) => gvk.startsWith(`${groupVersion} `)).map(([, type]) => type);
}
