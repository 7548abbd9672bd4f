import { badRequest, StatusError } from "../../errors.ts";
import { type SchemaNode, schemaOf } from "../../schema/node.ts";
import { ownMember } from "../../schema/struct.ts";
import { deepEqual } from "../equality.ts";
import { goType, goValue } from "./go-value.ts";
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

/** The patch as upstream's errors print it: without the nulls in what the object has not got, which are dropped on the way. */
export function printedPatch(object: unknown, patch: unknown): string {
  return goValue(withoutNulls(patch, object));
}

function withoutNulls(patch: unknown, object: unknown): unknown {
  if (Array.isArray(patch)) return patch.map((item, i) => withoutNulls(item, Array.isArray(object) ? object[i] : undefined));
  if (!isFields(patch)) return patch;
  const old = isFields(object) ? object : undefined;
  const entries = Object.entries(patch).filter(([, value]) => value !== null || old);
  return Object.fromEntries(entries.map(([key, value]) => [key, withoutNulls(value, old?.[key])]));
}

function mergeFields(original: Fields, patch: Fields, schema: SchemaNode | undefined): Fields {
  // What Kubernetes keeps as it came has no fields that could tell how to merge its objects.
  const inside = schema?.kind === "scalar" && Object.keys(patch).find((key) => isFields(patch[key]) && isFields(original[key]));
  if (inside) throw unmergeable(`unable to find api field in struct RawExtension for the json field "${inside}"`);
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
  const old = ownMember(result, key);
  if (hasDirective(value) && !isFields(old)) delete result[key];
  // What is replaced as a whole keeps its nulls, which then count as zero values.
  else if (isFields(value) && isFields(old))
    result[key] = schema?.patchStrategies.includes("replace") ? value : mergeFields(old, value, schema);
  else if (Array.isArray(value) && Array.isArray(old)) result[key] = mergeList(old, value, key, schema);
  else result[key] = withoutDirectives(value);
}

function mergeList(old: readonly unknown[], patch: readonly unknown[], key: string, schema: SchemaNode | undefined): unknown[] {
  if (!schema?.patchStrategies.includes("merge")) return [...patch];
  const { merged, present } = mergeItems(old, patch, key, schema);
  return normalizeOrder(merged, present, old, schema.mergeKey);
}

interface Merged {
  merged: unknown[];
  /** The patch's items, directives left out: their order goes before the original's. */
  present: readonly unknown[];
}

function mergeItems(old: readonly unknown[], patch: readonly unknown[], field: string, schema: SchemaNode): Merged {
  const [first, ...others] = [...old, ...patch].map(goType);
  if (first === "[]interface {}") throw unmergeable("lists of lists are not supported");
  if (others.some((type) => type !== first)) throw unmergeable(`list element types are not identical: ${goValue([old, patch])}`);
  if (!patch.some(isFields)) return { merged: [...new Set([...old, ...patch])], present: patch };
  const { mergeKey } = schema;
  if (!mergeKey) throw unmergeable(`cannot merge lists without merge key for ${field}`);
  let merged = [...old];
  const present: Fields[] = [];
  let replace = false;
  for (const item of patch) {
    if (!isFields(item)) continue;
    const how = item[directive];
    if (how === "delete") {
      const wanted = mergeValue(item, mergeKey);
      merged = merged.filter((m) => !isFields(m) || !deepEqual(m[mergeKey], wanted));
    } else if (how === "replace") replace = true;
    else if (how === undefined) present.push(item);
    else if (how === "merge") throw unmergeable("merging lists cannot yet be specified in the patch");
    else throw unknownPatchType(how, item);
  }
  if (replace) return { merged: present.map(withoutDirectives), present };
  for (const item of present) {
    const wanted = mergeValue(item, mergeKey);
    const index = merged.findIndex((m) => isFields(m) && deepEqual(m[mergeKey], wanted));
    const found = merged[index];
    if (isFields(found)) merged[index] = mergeFields(found, item, schema.element);
    else merged.push(item);
  }
  return { merged, present };
}

function mergeValue(item: Fields, mergeKey: string): unknown {
  const value = item[mergeKey];
  if (value !== undefined) return value;
  throw unmergeable(`map: ${goValue(item)} does not contain declared merge key: ${mergeKey}`);
}

/** Obeys a $setElementOrder/ list: merges the list that goes with it, if any, and puts its items in that order. */
function orderList(result: Fields, patch: Fields, field: string, order: unknown, schema: SchemaNode | undefined): void {
  for (const given of [order, result[field], patch[field]])
    if (given !== undefined && !Array.isArray(given))
      throw unmergeable(`expected a []interface {}, but received a ${given === null ? "%!s(<nil>)" : goType(given)}`);
  if (!Array.isArray(order)) return;
  const node = schema?.field(field);
  if (!node?.patchStrategies.includes("merge")) throw badRequest(`unable to find a merge strategy for ${field}`);
  const patched = patch[field];
  const list = Array.isArray(patched) ? patched : undefined;
  const mismatch = list && orderMismatch(list, order, node.mergeKey);
  if (mismatch) throw unmergeable(mismatch);
  const old = result[field];
  const original = Array.isArray(old) ? old : [];
  if (!list && !Array.isArray(old)) return;
  const { merged } = list ? mergeItems(original, list, field, node) : { merged: original };
  result[field] = normalizeOrder(merged, order, original, node.mergeKey);
}

function deletePrimitives(result: Fields, field: string, values: unknown): void {
  const old = result[field];
  if (Array.isArray(old) && Array.isArray(values)) result[field] = old.filter((item) => !values.includes(item));
}

/** What a patch adds where there was nothing: its values without nulls and directives. */
function withoutDirectives<T>(value: T): T;
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.filter((item) => !hasDirective(item)).map((item: unknown) => (item === null ? item : withoutDirectives(item)));
  }
  if (!isFields(value)) return value;
  const out: Fields = {};
  for (const [key, item] of Object.entries(value))
    if (item !== null && !isDirective(key) && !hasDirective(item)) out[key] = withoutDirectives(item);
  return out;
}

// Whatever it says: there is nothing that it could apply to.
function hasDirective(value: unknown): boolean {
  return isFields(value) && directive in value;
}

function isDirective(key: string): boolean {
  return key === directive || key === retainKeys || key.startsWith(setOrderPrefix) || key.startsWith(deletePrefix);
}

function omit(fields: Fields, key: string): Fields {
  const { [key]: _, ...rest } = fields;
  return rest;
}

function unknownPatchType(how: unknown, patch: Fields): StatusError {
  return unmergeable(`unknown patch type: ${goValue(how)} in map: ${goValue(patch)}`);
}

/** Upstream answers 500 here and to other bodies that its decoders do not look at; the client's mistake is a 400 here, with the same words. */
function unmergeable(message: string): StatusError {
  return new StatusError({ code: 400, message });
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
