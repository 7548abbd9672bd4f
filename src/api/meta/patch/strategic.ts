import { badRequest, StatusError } from "../../errors.ts";
import { type SchemaNode, schemaOf } from "../../schema/node.ts";
import { deepEqual } from "../equality.ts";
import { normalizeOrder, orderMismatch } from "./order.ts";

const directive = "$patch";
const retainKeys = "$retainKeys";
const setOrderPrefix = "$setElementOrder/";
const deletePrefix = "$deleteFromPrimitiveList/";

type Fields = Record<string, unknown>;

/**
 * The object after a strategic merge patch: lists with a merge key merge item by item, others are replaced; `$patch`, `$retainKeys`,
 * `$setElementOrder/...` and `$deleteFromPrimitiveList/...` are obeyed. The input may be frozen; what the patch leaves alone
 * is shared. The schema may be given by its type's name ("core.v1.Pod"). Throws 400 and 500 where upstream does.
 * https://github.com/kubernetes/community/blob/main/contributors/devel/sig-api-machinery/strategic-merge-patch.md
 */
export function applyStrategicMergePatch(object: unknown, patch: unknown, schema: SchemaNode | string): unknown {
  if (!isFields(patch)) {
    const type = Array.isArray(patch) ? "array" : patch === null ? "null" : typeof patch;
    throw badRequest(`json: cannot unmarshal ${type} into Go value of type map[string]interface {}`);
  }
  return mergeFields(isFields(object) ? object : {}, patch, typeof schema === "string" ? schemaOf(schema) : schema);
}

function mergeFields(original: Fields, patch: Fields, schema: SchemaNode | undefined): Fields {
  const how = patch[directive];
  if (how === "replace") return withoutDirectives(omit(patch, directive));
  if (how === "delete") return {};
  if (how !== undefined && how !== "merge") throw unknownPatchType(how, patch);
  const result: Fields = retained(original, patch);
  for (const [key, value] of Object.entries(patch)) {
    if (key === directive || key === retainKeys) continue;
    if (key.startsWith(setOrderPrefix)) orderList(result, patch, key.slice(setOrderPrefix.length), value, schema);
    else if (key.startsWith(deletePrefix)) deletePrimitives(result, key.slice(deletePrefix.length), value);
    else if (!Object.hasOwn(patch, setOrderPrefix + key)) mergeField(result, key, value, schema?.field(key));
  }
  return result;
}

/** A copy of the original, reduced to the keys of $retainKeys where the patch has that list. */
function retained(original: Fields, patch: Fields): Fields {
  const keep = patch[retainKeys];
  if (keep === undefined) return { ...original };
  if (!Array.isArray(keep)) throw badRequest("invalid patch format of retainKeys");
  for (const [key, value] of Object.entries(patch))
    if (!key.startsWith("$") && value !== null && !keep.includes(key)) throw badRequest("invalid patch format of retainKeys");
  return Object.fromEntries(Object.entries(original).filter(([key]) => keep.includes(key)));
}

function mergeField(result: Fields, key: string, value: unknown, schema: SchemaNode | undefined): void {
  if (value === null) {
    delete result[key];
    return;
  }
  const old = Object.hasOwn(result, key) ? result[key] : undefined;
  if (isFields(value) && isFields(old) && !schema?.patchStrategies.includes("replace")) result[key] = mergeFields(old, value, schema);
  else if (Array.isArray(value) && Array.isArray(old)) result[key] = mergeList(old, value, key, schema);
  else result[key] = withoutDirectives(value);
}

function mergeList(old: readonly unknown[], patch: readonly unknown[], key: string, schema: SchemaNode | undefined): unknown[] {
  if (!schema?.patchStrategies.includes("merge")) return patch.map(withoutDirectives);
  const { merged, present } = mergeItems(old, patch, key, schema);
  return normalizeOrder(merged, present, old, schema.mergeKey);
}

interface Merged {
  merged: unknown[];
  /** The patch's items, directives left out: their order goes before the original's. */
  present: readonly unknown[];
}

function mergeItems(old: readonly unknown[], patch: readonly unknown[], field: string, schema: SchemaNode): Merged {
  if (![...old, ...patch].some(isFields)) return { merged: [...new Set([...old, ...patch])], present: patch };
  const { mergeKey } = schema;
  if (!mergeKey) throw badRequest(`cannot merge lists without merge key for ${field}`);
  let merged = [...old];
  const present: Fields[] = [];
  let replace = false;
  for (const item of patch) {
    if (!isFields(item)) throw badRequest(`list element types are not identical in ${field}`);
    const how = item[directive];
    if (how === "delete") {
      const wanted = mergeValue(item, mergeKey);
      merged = merged.filter((m) => !isFields(m) || !deepEqual(m[mergeKey], wanted));
    } else if (how === "replace") replace = true;
    else if (how === undefined || how === "merge") present.push(omit(item, directive));
    else throw unknownPatchType(how, item);
  }
  if (replace) return { merged: present.map(withoutDirectives), present };
  for (const item of present) {
    const wanted = mergeValue(item, mergeKey);
    const index = merged.findIndex((m) => isFields(m) && deepEqual(m[mergeKey], wanted));
    const found = merged[index];
    if (isFields(found)) merged[index] = mergeFields(found, item, schema.element);
    else merged.push(withoutDirectives(item));
  }
  return { merged, present };
}

function mergeValue(item: Fields, mergeKey: string): unknown {
  const value = item[mergeKey];
  if (value !== undefined) return value;
  throw badRequest(`map: ${goMap(item)} does not contain declared merge key: ${mergeKey}`);
}

/** Obeys a $setElementOrder/ list: merges the list that goes with it, if any, and puts its items in that order. */
function orderList(result: Fields, patch: Fields, field: string, order: unknown, schema: SchemaNode | undefined): void {
  if (!Array.isArray(order)) throw badRequest("$setElementOrder directive is not a list");
  const node = schema?.field(field);
  if (!node?.patchStrategies.includes("merge")) throw badRequest(`unable to find a merge strategy for ${field}`);
  const patched = patch[field];
  const list = Array.isArray(patched) ? patched : undefined;
  const mismatch = list && orderMismatch(list, order, node.mergeKey);
  if (mismatch) throw new StatusError({ code: 500, message: mismatch, details: {} });
  const old = result[field];
  const original = Array.isArray(old) ? old : [];
  if (patched === null) {
    delete result[field];
    return;
  }
  if (!list && !Array.isArray(old)) return;
  const { merged } = list ? mergeItems(original, list, field, node) : { merged: original };
  result[field] = normalizeOrder(merged, order, original, node.mergeKey);
}

function deletePrimitives(result: Fields, field: string, values: unknown): void {
  const old = result[field];
  if (!Array.isArray(values)) throw badRequest(`the values of ${deletePrefix}${field} are not a list`);
  if (Array.isArray(old)) result[field] = old.filter((item) => !values.includes(item));
}

/** What a patch adds where there was nothing: its values without nulls and directives. */
function withoutDirectives<T>(value: T): T;
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) {
    const kept = value.filter((item) => !(isFields(item) && (item[directive] === "delete" || isBareReplace(item))));
    return kept.map((item) => (isFields(item) || Array.isArray(item) ? withoutDirectives(item) : item));
  }
  if (!isFields(value)) return value;
  if (value[directive] === "delete") return {};
  const out: Fields = {};
  for (const [key, item] of Object.entries(value)) if (item !== null && !isDirective(key)) out[key] = withoutDirectives(item);
  return out;
}

// {"$patch": "replace"} alone stands for the list around it.
function isBareReplace(item: Fields): boolean {
  return item[directive] === "replace" && Object.keys(item).length === 1;
}

function isDirective(key: string): boolean {
  return key === directive || key === retainKeys || key.startsWith(setOrderPrefix) || key.startsWith(deletePrefix);
}

function omit(fields: Fields, key: string): Fields {
  const { [key]: _, ...rest } = fields;
  return rest;
}

function unknownPatchType(how: unknown, patch: Fields): StatusError {
  return new StatusError({ code: 500, message: `unknown patch type: ${String(how)} in map: ${goMap(patch)}`, details: {} });
}

function goMap(fields: Fields): string {
  const parts = Object.entries(fields).map(([key, value]) => `${key}:${isFields(value) ? goMap(value) : String(value)}`);
  return `map[${parts.sort().join(" ")}]`;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
