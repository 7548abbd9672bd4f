import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "../api/meta/object.ts";
import type { ManagedFieldsEntry } from "../api/types/meta.v1.ts";

/** Who wrote, and when: what managedFields tell. */
export interface Writer {
  manager: string;
  time?: string | undefined;
}

/** One field that is not what it was. */
export interface FieldChange {
  /** spec.containers[web].image */
  path: string;
  /** Undefined: it was not there. */
  before: unknown;
  after: unknown;
  by?: Writer | undefined;
}

/** An object that is not what it was. */
export interface ObjectChange {
  type: "created" | "changed" | "deleted";
  apiVersion: string;
  kind: string;
  namespace?: string | undefined;
  name: string;
  by: Writer[];
  fields: FieldChange[];
}

/** What every write changes, and what only repeats the object. */
const noise = new Set([".metadata.managedFields", ".metadata.resourceVersion", ".metadata.generation"]);
const repeated = ".metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]";
/** By what the items of a list are told apart. */
const listKeys = ["name", "uid", "type", "key", "mountPath", "containerPort", "port", "ip"];

/** A manager that has written since, with the fields that it owns below the place that is looked at. */
interface Owner {
  writer: Writer;
  fields: object;
}

/** What was created, changed and deleted between two lists of one resource, in the order of namespaces and names. */
export function diffObjects(before: readonly KubeObject[], after: readonly KubeObject[]): ObjectChange[] {
  const idOf = ({ metadata: { namespace = "", name = "" } }: KubeObject): string => `${namespace}/${name}`;
  const [old, now] = [before, after].map((list) => new Map(list.map((object) => [idOf(object), object])));
  const ids = [...new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])])].sort();
  return ids.flatMap((id) => diffObject(old?.get(id), now?.get(id)) ?? []);
}

function diffObject(before: KubeObject | undefined, after: KubeObject | undefined): ObjectChange | undefined {
  const object = after ?? before;
  if (!object || before?.metadata.resourceVersion === after?.metadata.resourceVersion) return undefined;
  const { apiVersion = "", kind = "", metadata } = object;
  const { namespace, name = "" } = metadata;
  const same = before?.metadata.uid === after?.metadata.uid;
  const owners = (after?.metadata.managedFields ?? []).map((entry) => ({ writer: writerOf(entry), fields: entry.fieldsV1 ?? {} }));
  const fields = same && before && after ? [...changes(before, after, "", owners)] : [];
  const type = !after ? "deleted" : before && same ? "changed" : "created";
  if (type === "changed" && fields.length === 0) return undefined;
  const since = writersSince(same ? before : undefined, after);
  for (const field of fields) {
    // What was removed has no owner any more.
    if (since.length === 1) field.by ??= since[0];
    if (kind === "Secret" && /^(data|stringData)\b/.test(field.path)) hide(field);
  }
  const by = new Map(
    [...since, ...fields.flatMap((field) => field.by ?? [])].map((writer) => [`${writer.manager} ${writer.time}`, writer]),
  );
  return { type, apiVersion, kind, namespace, name, by: [...by.values()], fields };
}

function writerOf({ manager = "", time }: ManagedFieldsEntry): Writer {
  return { manager, time };
}

/** Of whom there is an entry, or a time, that was not there before: those that only lost a field to others have not written. */
function writersSince(before: KubeObject | undefined, after: KubeObject | undefined): Writer[] {
  const idOf = ({ manager, operation, subresource, time }: ManagedFieldsEntry): string => [manager, operation, subresource, time].join();
  const known = new Set(before?.metadata.managedFields?.map(idOf));
  return (after?.metadata.managedFields ?? []).filter((entry) => !known.has(idOf(entry))).map(writerOf);
}

/** That a value of a Secret has changed is told, and not what it is. */
function hide(field: FieldChange): void {
  for (const side of ["before", "after"] as const) if (field[side] !== undefined) field[side] = "***";
}

function* changes(before: unknown, after: unknown, path: string, owners: readonly Owner[]): Generator<FieldChange> {
  if (noise.has(path) || path === repeated || isDeepStrictEqual(before, after)) return;
  const parts = partsOf(before, after);
  if (!parts) yield { path: path.replace(/^\./, ""), before, after, by: owners[0]?.writer };
  else for (const { name, old, now, owned } of parts) yield* changes(old, now, path + name, below(owners, owned));
}

/** One field of an object or item of a list, before and after, and which of managedFields' keys stands for it. */
interface Part {
  name: string;
  old: unknown;
  now: unknown;
  owned(key: string): boolean;
}

/** What two values are made of, where they can be compared part by part. */
function partsOf(before: unknown, after: unknown): Part[] | undefined {
  if (Array.isArray(before) && Array.isArray(after)) return itemsOf(before, after);
  if (!isObject(before) || !isObject(after)) return undefined;
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].map((key) => ({
    name: /^\w+$/.test(key) ? `.${key}` : `[${key}]`,
    old: before[key],
    now: after[key],
    owned: (field) => field === `f:${key}`,
  }));
}

function itemsOf(before: readonly unknown[], after: readonly unknown[]): Part[] | undefined {
  const all = [...before, ...after];
  if (!all.every(isObject)) return undefined;
  const valuesOf = (list: readonly unknown[], key: string) => new Map(list.filter(isObject).map((item) => [item[key], item]));
  for (const key of listKeys) {
    const [old, now] = [valuesOf(before, key), valuesOf(after, key)];
    if (all.some((item) => item[key] === undefined) || old.size < before.length || now.size < after.length) continue;
    return [...new Set([...old.keys(), ...now.keys()])].map((value) => ({
      name: `[${value}]`,
      old: old.get(value),
      now: now.get(value),
      owned: (field) => field.startsWith("k:") && holds(now.get(value) ?? old.get(value), JSON.parse(field.slice(2))),
    }));
  }
  return undefined;
}

function holds(item: Record<string, unknown> | undefined, keys: unknown): boolean {
  return isObject(keys) && Object.entries(keys).every(([key, value]) => item?.[key] === value);
}

/** The owners of that part; who owns something as a whole owns all parts of it. */
function below(owners: readonly Owner[], owned: (key: string) => boolean): Owner[] {
  return owners.flatMap((owner) => {
    const entries = Object.entries(owner.fields);
    if (entries.length === 0) return owner;
    const fields = entries.find(([key]) => owned(key))?.[1];
    return isObject(fields) ? { ...owner, fields } : [];
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
