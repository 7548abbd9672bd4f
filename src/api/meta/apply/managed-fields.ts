import type { ManagedFieldsEntry } from "../../types/meta.v1.ts";
import type { Comparison } from "./difference.ts";
import { union } from "./field-set.ts";
import { OwnedSet } from "./owned-set.ts";

/** Who wrote fields of an object, by which kind of request. Each is there once: two that are the same are the same object. */
export interface Manager {
  readonly name: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  /** "" for the main resource. */
  readonly subresource: string;
  /** The JSON text of its entry before its time, with the name of that, and after its fields. */
  readonly opening: string;
  readonly closing: string;
}

/** A manager with the fields that it owns. Never changed: objects share them. */
export interface Ownership {
  readonly by: Manager;
  /** As metadata has it. */
  readonly time: string | undefined;
  readonly set: OwnedSet;
}

/** Beyond so many updaters the oldest become one, as upstream's cap has it. */
const maximumUpdaters = 10;
const oldUpdaters = "ancient-changes";
const entryStart = `{"manager":`;
const timeStart = `,"time":"`;
const fieldsStart = `,"fieldsType":"FieldsV1","fieldsV1":`;

const timedFieldsStart = `"${fieldsStart}`;

const maximumManagers = 10_000;
const managers = new Map<string, Manager>();

/** The one object that stands for a manager. */
export function managerOf(name: string, operation: Manager["operation"], apiVersion: string, subresource: string): Manager {
  const key = `${operation} ${apiVersion} ${subresource} ${name}`;
  let manager = managers.get(key);
  if (!manager) {
    if (managers.size >= maximumManagers) managers.clear();
    const quoted = [JSON.stringify(name), JSON.stringify(operation), JSON.stringify(apiVersion)];
    // Joined, it is one piece: it goes into many texts.
    const opening = [entryStart, quoted[0], `,"operation":`, quoted[1], `,"apiVersion":`, quoted[2], timeStart].join("");
    const closing = subresource ? `,"subresource":${JSON.stringify(subresource)}}` : "}";
    managers.set(key, (manager = Object.freeze({ name, operation, apiVersion, subresource, opening, closing })));
  }
  return manager;
}

/** Also when one of them has been forgotten meanwhile. */
function isSame(a: Manager, b: Manager): boolean {
  return a === b || (a.opening === b.opening && a.closing === b.closing);
}

/**
 * metadata.managedFields: who owns which fields of an object (KEP-555). Kept beside the object, and not in it: its text is put into the
 * object's where that goes out, and readers in the process never see it. Never changed.
 */
export class ManagedFields {
  /** In upstream's order: appliers first, then by time, then by name. Never empty. */
  readonly owners: readonly Ownership[];

  private constructor(owners: readonly Ownership[]) {
    this.owners = owners;
  }

  /** Undefined when nobody owns anything. */
  static of(owners: readonly Ownership[]): ManagedFields | undefined {
    const [first] = owners;
    if (!first) return undefined;
    if (owners.length > 1) return new ManagedFields(owners.toSorted(inOrder));
    // What one writer makes in one second has the same owner.
    if (latest?.owners[0]?.set === first.set && latest.owners[0].by === first.by && latest.owners[0].time === first.time) return latest;
    return (latest = new ManagedFields([first]));
  }

  /** Reads what a client sent. */
  static fromEntries(entries: readonly ManagedFieldsEntry[] | undefined): ManagedFields | undefined {
    const owners = (entries ?? []).map(({ manager = "", operation, apiVersion = "", subresource = "", time, fieldsV1 }) => ({
      by: managerOf(manager, operation === "Apply" ? "Apply" : "Update", apiVersion, subresource),
      time,
      set: OwnedSet.ofJson(fieldsV1),
    }));
    return ManagedFields.of(owners);
  }

  /** Reads the text again. Sets come out as what is known already, so that objects share them. */
  static fromText(text: string): ManagedFields | undefined {
    return ManagedFields.of(
      text
        .slice(1 + entryStart.length, -1)
        .split(`,${entryStart}`)
        .map(readEntry),
    );
  }

  /** The JSON text of the list. Made once for objects that share their owners and are shown one after the other. */
  get text(): string {
    if (shown?.managed !== this) shown = { managed: this, text: this.written() };
    return shown.text;
  }

  private written(): string {
    const pieces: string[] = [];
    for (const { by, time, set } of this.owners) {
      pieces.push(pieces.length === 0 ? "[" : ",");
      if (time) pieces.push(by.opening, time, timedFieldsStart);
      else pieces.push(by.opening.slice(0, -timeStart.length), fieldsStart);
      pieces.push(set.text, by.closing);
    }
    pieces.push("]");
    return pieces.join("");
  }

  /** The list as JSON has it, made anew. */
  get entries(): ManagedFieldsEntry[] {
    return JSON.parse(this.text);
  }

  /** Who owns what after an update by that manager: the writer owns what is new or different. */
  afterUpdate(comparison: Comparison, by: Manager, now: string | undefined): ManagedFields | undefined {
    if (comparison.isEmpty) return this;
    const owners: Ownership[] = [];
    let before: OwnedSet | undefined;
    for (const owner of this.owners) {
      const isWriter = isSame(owner.by, by) && comparison.hasChanged;
      if (isWriter) before = owner.set;
      const set = isWriter ? undefined : comparison.leftOf(owner.set);
      if (set && !set.isEmpty) owners.push(set === owner.set ? owner : { ...owner, set });
    }
    if (comparison.hasChanged) owners.push({ by, time: now, set: before ? comparison.ownedAfter(before) : comparison.changed });
    return ManagedFields.of(capped(owners));
  }

  /** Whether the same managers own the same, whenever they wrote. */
  isSameButForTimes(other: ManagedFields | undefined): boolean {
    const isThere = (owner: Ownership): boolean | undefined =>
      other?.owners.some(({ by, set }) => isSame(by, owner.by) && set.text === owner.set.text);
    return other?.owners.length === this.owners.length && this.owners.every(isThere);
  }
}

let latest: ManagedFields | undefined;
let shown: { readonly managed: ManagedFields; readonly text: string } | undefined;

/** Reads the rest of an entry's text after its start. Quotes in names and fields are escaped: the marks are what they seem. */
function readEntry(text: string): Ownership {
  const begin = text.indexOf(fieldsStart);
  const subresource = text.endsWith(`"}`) ? text.lastIndexOf(`,"subresource":"`) : text.length - 1;
  const {
    manager = "",
    apiVersion = "",
    ...head
  }: ManagedFieldsEntry = JSON.parse(entryStart + text.slice(0, begin) + text.slice(subresource));
  return {
    by: managerOf(manager, head.operation === "Apply" ? "Apply" : "Update", apiVersion, head.subresource ?? ""),
    time: head.time,
    set: OwnedSet.ofText(text.slice(begin + fieldsStart.length, subresource)),
  };
}

function inOrder(a: Ownership, b: Ownership): number {
  const { by } = a;
  return (
    compare(by.operation, b.by.operation) ||
    compare(a.time ?? "", b.time ?? "") ||
    compare(by.name, b.by.name) ||
    compare(by.apiVersion, b.by.apiVersion) ||
    compare(by.subresource, b.by.subresource)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The oldest updaters of each version become one, until there are few enough. */
function capped(owners: Ownership[]): readonly Ownership[] {
  const updaters = owners.filter(({ by }) => by.operation === "Update");
  let tooMany = updaters.length - maximumUpdaters;
  if (tooMany <= 0) return owners;
  const gone = new Set<Ownership>();
  const merged = new Map<string, Ownership>();
  for (const updater of updaters.sort(inOrder)) {
    if (tooMany <= 0) break;
    const { apiVersion } = updater.by;
    const first = merged.get(apiVersion);
    if (first) {
      const set = OwnedSet.of(union(first.set.fields, updater.set.fields));
      gone.add(first).add(updater);
      merged.set(apiVersion, { by: managerOf(oldUpdaters, "Update", apiVersion, ""), time: updater.time, set });
      tooMany--;
    } else merged.set(apiVersion, updater);
  }
  return [...owners.filter((owner) => !gone.has(owner)), ...[...merged.values()].filter((owner) => !owners.includes(owner))];
}
