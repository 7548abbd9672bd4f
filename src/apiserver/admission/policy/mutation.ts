import { CelJsonPatch, CelObject, jsonValue } from "../../../api/cel/values.ts";
import { mergeValues, typeErrors } from "../../../api/meta/apply/typed-values.ts";
import type { KubeObject } from "../../../api/meta/object.ts";
import { applyJsonPatch } from "../../../api/meta/patch/json.ts";
import type { SchemaNode } from "../../../api/schema/node.ts";
import { isJsonObject } from "../../../api/schema/struct.ts";
import { untyped } from "../../plain-data.ts";
import type { ResourceHandler } from "../../resource-handler.ts";
import { applyNode } from "../../verbs/apply.ts";

/**
 * The object after a mutation, whose expression gave `value`; the same when there is nothing to do. The object is not touched.
 * Throws an Error that says why it cannot be.
 */
export function mutated(patchType: string, value: unknown, object: KubeObject, handler: ResourceHandler): KubeObject {
  return patchType === "JSONPatch" ? patched(value, object) : applied(value, object, handler);
}

function applied(value: unknown, object: KubeObject, handler: ResourceHandler): KubeObject {
  checkTypes(value, "Object");
  const node = applyNode(handler);
  const { apiVersion, kind } = object;
  const configuration = { ...Object(jsonValue(value)), apiVersion, kind };
  const errors = typeErrors(configuration, node);
  if (errors.length > 0) {
    const list = errors.length === 1 ? errors[0] : `errors:\n${errors.map((error) => `  ${error}`).join("\n")}`;
    throw new Error(`error applying patch: failed to convert patch object to typed object: ${list}`);
  }
  const atomics = atomicPlaces(configuration, node, "");
  if (atomics.length > 0) {
    const why = `may not mutate atomic arrays, maps or structs: ${atomics.join(", ")}`;
    throw new Error(`error applying patch: invalid ApplyConfiguration: ${why}`);
  }
  return untyped(Object(mergeValues(object, configuration, node)));
}

/** Object.spec{...} may stand only in the field spec of Object{...}: its name says where it belongs. */
function checkTypes(value: unknown, path: string): void {
  const errors = typeMismatches(value, path);
  if (errors.length > 0) throw new Error(`type mismatch: ${errors.join("\n")}`);
}

function typeMismatches(value: unknown, path: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => typeMismatches(item, path));
  if (!(value instanceof CelObject)) return isJsonObject(value) ? Object.values(value).flatMap((item) => typeMismatches(item, path)) : [];
  const own =
    value.type === path
      ? []
      : [`unexpected type name "${value.type}", expected "${path}", which matches field name path from root Object type`];
  return [...own, ...Object.entries(value.fields).flatMap(([name, item]) => typeMismatches(item, `${path}.${name}`))];
}

/** Where a configuration would replace as a whole what it may name only in part. */
function atomicPlaces(value: unknown, node: SchemaNode | undefined, path: string): string[] {
  if (!node) return [];
  if (Array.isArray(value))
    return [
      ...(node.kind === "list" && node.listType !== "map" && node.listType !== "set" ? [path] : []),
      ...value.flatMap((item, i) => atomicPlaces(item, node.element, `${path}[${i}]`)),
    ];
  if (!isJsonObject(value)) return [];
  return [
    ...(node.mapType === "atomic" ? [path] : []),
    ...Object.entries(value).flatMap(([name, item]) => atomicPlaces(item, node.field(name), `${path}.${name}`)),
  ];
}

/** A test that fails leaves the object as it is. */
function patched(value: unknown, object: KubeObject): KubeObject {
  let next: unknown = object;
  for (const operation of Array.isArray(value) ? value : []) {
    if (!(operation instanceof CelJsonPatch))
      throw new Error("type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch");
    const { op = "", path = "", from } = operation;
    if (operation.value instanceof CelObject) checkTypes(operation.value, operation.value.type);
    const given = operation.value === undefined ? {} : { value: jsonValue(operation.value) };
    try {
      next = applyJsonPatch(next, [{ op, path, ...(from ? { from } : {}), ...given }]);
    } catch (error) {
      if (op === "test") return object;
      throw new Error(`JSON Patch: ${error instanceof Error ? error.message : error}`);
    }
  }
  return untyped(Object(next));
}
