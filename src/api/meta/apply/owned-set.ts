import { isJsonObject, type JsonObject } from "../../schema/struct.ts";
import { BoundedMap } from "../../../lib/bounded-map.ts";
import { type FieldSet, fieldsText, isEmptySet, readFields } from "./field-set.ts";

/** So many shapes are kept for those who come to the same again; objects keep theirs whatever happens here. */
const maximumKnown = 1024;
const known = new BoundedMap<string, Shape>(maximumKnown);

/** The key of a list's item that is an IP address, in JSON in JSON. */
const addressKey = /k:\{\\"ip\\":\\"([\da-fA-F.:]+)\\"\}/g;
const [keyStart, keyEnd] = ['k:{\\"ip\\":\\"', '\\"}'];
const openKey = `${keyStart}?${keyEnd}`;

/** The element of the one address in an object, whatever that is: no address is written so. */
export const anyAddress = 'k:{"ip":"?"}';

/** Whether a text is of the form that leaves a hole. */
export function isAddress(text: unknown): text is string {
  return typeof text === "string" && /^[\da-fA-F.:]+$/.test(text);
}

/** A string of its own: Joined from two, it refers to no longer one that it was cut from. */
function copyOf(text: string): string {
  return [text.slice(0, 1), text.slice(1)].join("");
}

/**
 * Fields that somebody owns, as text: FieldsV1 in JSON, members in order; an address in it is left open, because a pod's status differs in
 * nothing else from thousands of others. Two with the same text are mostly, but not always, the same object.
 */
export class Shape {
  readonly text: string;
  /** Whether there are addresses that are not left open: two, mostly. */
  readonly hasAddress: boolean;
  /** What is before and after the one that is. */
  private readonly pieces: readonly string[];
  private knownRoots: readonly string[] | undefined;
  private without: OwnedSet | undefined;

  private constructor(text: string) {
    this.text = text;
    this.hasAddress = text.search(addressKey) >= 0;
    this.pieces = text.split(openKey);
    this.knownRoots = undefined;
    this.without = undefined;
  }

  /** The shape with that text, of which a copy is kept: a part of a longer one would keep that in memory. */
  static of(text: string): Shape {
    let shape = known.get(text);
    if (shape) return shape;
    shape = new Shape(copyOf(text));
    known.set(shape.text, shape);
    return shape;
  }

  static ofFields(set: FieldSet): Shape {
    return Shape.of(isEmptySet(set) ? "{}" : fieldsText(set));
  }

  /** The set of this shape with that address in it. */
  with(address: string | undefined): OwnedSet {
    return this.pieces.length === 1 ? (this.without ??= new OwnedSet(this, undefined)) : new OwnedSet(this, address);
  }

  textWith(address: string | undefined): string {
    return address === undefined ? this.text : this.pieces.join(`${keyStart}${address}${keyEnd}`);
  }

  get isEmpty(): boolean {
    return this.text === "{}";
  }

  /** Whether both can have places in common: no when they lie below different members of the object. */
  mayShare({ roots }: Shape): boolean {
    return this.roots.some((root) => roots.includes(root));
  }

  /** Whether all places of the other belong to this one. */
  includes(other: Shape): boolean {
    return holds(JSON.parse(this.text), JSON.parse(other.text));
  }

  private get roots(): readonly string[] {
    this.knownRoots ??= rootsOf(this.text);
    return this.knownRoots;
  }

  /** The same as a tree, made anew: most are never looked into. */
  get fields(): FieldSet {
    return readFields(JSON.parse(this.text));
  }
}

/** Fields that somebody owns of one object: a shape that others share, and the address in it. */
export class OwnedSet {
  readonly shape: Shape;
  readonly address: string | undefined;

  constructor(shape: Shape, address: string | undefined) {
    this.shape = shape;
    this.address = address;
  }

  get text(): string {
    return this.shape.textWith(this.address);
  }

  /** The set with that canonical text. */
  static ofText(text: string): OwnedSet {
    const [first, second] = text.matchAll(addressKey);
    const address = second ? undefined : first?.[1];
    if (!first || !address) return Shape.of(text).with(undefined);
    return Shape.of(text.replace(first[0], openKey)).with(copyOf(address));
  }

  static of(set: FieldSet): OwnedSet {
    return isEmptySet(set) ? nothingOwned : OwnedSet.ofText(fieldsText(set));
  }

  /** The set that FieldsV1 tells, as a client sent it. */
  static ofJson(json: unknown): OwnedSet {
    return OwnedSet.of(readFields(json));
  }

  get isEmpty(): boolean {
    return this.shape.isEmpty;
  }

  /** The same as a tree, made anew. */
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
export const nothingOwned = Shape.of("{}").with(undefined);
