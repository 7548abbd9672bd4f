import { isJsonObject } from "../schema/struct.ts";
import type { JSONSchemaProps } from "../types/apiextensions.v1.ts";

/** The names in a rule's fieldPath: `.spec.a`, `.m['key'].b`; undefined for one that cannot be read. */
export function pathParts(path: string): string[] | undefined {
  const parts: string[] = [];
  let rest = path;
  while (rest) {
    const match = /^\.([A-Za-z_][\w-]*)|^\.?\['((?:\\.|[^'\\])*)'\]/.exec(rest);
    if (!match) return undefined;
    parts.push(match[1] ?? (match[2] ?? "").replace(/\\(.)/g, "$1"));
    rest = rest.slice(match[0].length);
  }
  return parts;
}

/** Whether there is a field of that path under the schema. */
export function hasField(schema: JSONSchemaProps, path: string): boolean {
  let at: JSONSchemaProps | undefined = schema;
  for (const part of pathParts(path) ?? [""]) {
    const others: unknown = at?.additionalProperties;
    at = at?.properties?.[part] ?? (isJsonObject(others) ? others : undefined);
    if (!at) return false;
  }
  return true;
}
