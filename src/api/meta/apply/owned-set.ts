import { isJsonObject, type JsonObject } from "../../schema/struct.ts";
import { BoundedMap } from "../../../lib/bounded-map.ts";
import { type FieldSet, fieldsText, isEmptySet, readFields } from "./field-set.ts";

/** So many sets are kept for those who come to the same again; objects keep theirs whatever happens here. */
const maximumKnown = 1024;
const known = new Map<string, OwnedSet>();

/** What begins the key of a list's item that is an IP address, in JSON in JSON. */
const addressStart = 'k:{\\"ip\\":\\"';
const parts = new BoundedMap<string, string>(maximumKnown);

/** The one string for all that are equal to it. */
function partOf(text: string): string {
  let part = parts.get(text);
  if (part === undefined) {
    part = copyOf(text);
    parts.set(part, part);
  }
  return part;
}

/** A string of its own: Joined from two, it refers to no longer one that it was cut from. */
function copyOf(text: string): string {
  return [text.slice(0, 1), text.slice(1)].join("");
}

/**
 * Fields that somebody owns, as text: FieldsV1 in JSON, members in order. Objects of one shape share one of these, so two with the
 * same text are mostly, but not always, the same object.
 */
export class OwnedSet {
  private readonly head: string;
  /** The first address in the text, and what is after it: a pod's status differs in nothing else from thousands of others. */
  private readonly address: string | undefined;
  private readonly tail: string;
  private knownRoots: readonly string[] | undefined;

  private constructor(text: string) {
    const start = text.indexOf(addressStart) + addressStart.length;
    const hasAddress = start >= addressStart.length;
    const end = hasAddress ? text.indexOf('"', start) : text.length;
    this.head = partOf(text.slice(0, hasAddress ? start : end));
    this.address = hasAddress ? copyOf(text.slice(start, end)) : undefined;
    this.tail = hasAddress ? partOf(text.slice(end)) : "";
    this.knownRoots = undefined;
  }

  get text(): string {
    return this.address === undefined ? this.head : this.head + this.address + this.tail;
  }

  /** The set with that canonical text, of which copies are kept: a part of a longer one would keep that in memory. */
  static ofText(text: string): OwnedSet {
    const there = known.get(text);
    if (there) return there;
    if (known.size >= maximumKnown) known.clear();
    const made = new OwnedSet(text);
    known.set(copyOf(text), made);
    return made;
  }

  static of(set: FieldSet): OwnedSet {
    return isEmptySet(set) ? nothingOwned : OwnedSet.ofText(fieldsText(set));
  }

  /** The set that FieldsV1 tells, as a client sent it. */
  static ofJson(json: unknown): OwnedSet {
    return OwnedSet.of(readFields(json));
  }

  get isEmpty(): boolean {
    return this.text === "{}";
  }

  /** Whether both can have places in common: no when they lie below different members of the object. */
  mayShare({ roots }: OwnedSet): boolean {
    return this.roots.some((root) => roots.includes(root));
  }

  /** Whether all places of the other belong to this set. */
  includes(other: OwnedSet): boolean {
    return holds(JSON.parse(this.text), JSON.parse(other.text));
  }

  private get roots(): readonly string[] {
    this.knownRoots ??= rootsOf(this.text);
    return this.knownRoots;
  }

  /** The same as a tree, made anew: most sets are never looked into. */
  get fields(): FieldSet {
    return readFields(JSON.parse(this.text));
  }
}

const rootLists = new Map<string, readonly string[]>();

function rootsOf(text: string): readonly string[] {
  const names = Object.keys(JSON.parse(text));
  const key = names.join("\n");
  let roots = rootLists.get(key);
  if (!roots) {
    if (rootLists.size >= maximumKnown) rootLists.clear();
    rootLists.set(key, (roots = names));
  }
  return roots;
}

/** Of two trees of FieldsV1: a place without members below it belongs to its set, others when they say so. */
function holds(tree: JsonObject, places: JsonObject): boolean {
  for (const element in places) {
    const below = tree[element];
    if (!isJsonObject(below)) {
      if (element === "." && isBare(tree)) continue;
      return false;
    }
    const wanted = places[element];
    if (isJsonObject(wanted) && !(isBare(wanted) ? isBare(below) || "." in below : holds(below, wanted))) return false;
  }
  return true;
}

function isBare(tree: JsonObject): boolean {
  for (const _ in tree) return false;
  return true;
}

/** The set without members. */
export const nothingOwned = OwnedSet.ofText("{}");
