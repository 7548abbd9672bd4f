import type { SchemaNode } from "../../schema/node.ts";
import { isJsonObject, type JsonObject } from "../../schema/struct.ts";
import { badRequest } from "../../errors.ts";
import { deepEqual } from "../equality.ts";
import { Comparison, Difference } from "./difference.ts";
import { childOf, emptySet, type GrowingSet } from "./field-set.ts";
import { anyAddress, isAddress, nothingOwned, Shape } from "./owned-set.ts";
import { itemElement, namelessText } from "./typed-values.ts";

/** What a step of a walk through two states tells: which member it goes into, what it found there, or that it goes back up. */
type StepKind = "field" | "item" | "changed" | "removed" | "up";

/** So many steps are remembered before all are forgotten. */
const maximumSteps = 20_000;
const fewSiblings = 8;
let steps = 0;

/**
 * All walks so far, as a tree of their steps: a walk that takes the same steps as one before ends at the same place, where the result
 * lies already. So the fields of a Deployment's pods, or a node's heartbeats, are worked out once, and not for every write.
 */
class Step {
  readonly parent: Step | undefined;
  readonly kind: StepKind;
  readonly name: string;
  difference: Difference | undefined;
  /** The steps from here, as a list while they are few. */
  private first: Step | undefined;
  private sibling: Step | undefined;
  private byName: Map<string, Step> | undefined;

  constructor(parent: Step | undefined, kind: StepKind, name: string) {
    this.parent = parent;
    this.kind = kind;
    this.name = name;
    this.difference = undefined;
    this.first = undefined;
    this.sibling = undefined;
    this.byName = undefined;
  }

  go(kind: StepKind, name: string): Step {
    if (this.byName) {
      const found = this.byName.get(kind + name);
      if (found) return found;
    }
    let count = 0;
    for (let step = this.first; step; step = step.sibling, count++) if (step.name === name && step.kind === kind) return step;
    const made = new Step(this, kind, name);
    steps++;
    if (this.byName) this.byName.set(kind + name, made);
    else if (count < fewSiblings) {
      made.sibling = this.first;
      this.first = made;
    } else this.byName = new Map([[kind + name, made]]);
    return made;
  }
}

let start = new Step(undefined, "up", "");

/** No difference. */
const same = Comparison.removing(nothingOwned);

const neverOwned: ReadonlySet<string> = new Set(["apiVersion", "kind", "metadata"]);
const neverOwnedMetadata: ReadonlySet<string> = new Set([
  ...["name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields", "resourceVersion"],
]);

/**
 * Compares two states of an object place by place, as structured-merge-diff does. Left out are what says which object it is, what only
 * the server sets, and top-level members that are ignored. Throws badRequest where an item of a list has no key to be told by.
 */
export function compareObjects(before: object, after: object, node: SchemaNode, ignored: readonly string[] = []): Comparison {
  if (steps > maximumSteps) {
    start = new Step(undefined, "up", "");
    steps = 0;
  }
  const states = { was: before as JsonObject, is: after as JsonObject }; // Objects are plain data.
  const skipped = ignored.length > 0 ? new Set([...neverOwned, ...ignored]) : neverOwned;
  let walk = new Walk(start, false);
  walk.objects(states, node, skipped);
  // With two addresses each is what it is.
  if (walk.hasOtherAddress) {
    walk = new Walk(start, true);
    walk.objects(states, node, skipped);
  }
  const { at, address } = walk;
  if (at === start) return same;
  return new Comparison((at.difference ??= differenceAt(at)), address);
}

/** One walk through two states, leaving steps only where they differ. */
class Walk {
  at: Step;
  /** The address by which an item of a list is known. */
  address: string | undefined;
  hasOtherAddress = false;
  private readonly isLiteral: boolean;

  /** `isLiteral`: addresses are walked into by what they are. */
  constructor(at: Step, isLiteral: boolean) {
    this.at = at;
    this.isLiteral = isLiteral;
  }

  objects({ was, is }: { was: JsonObject; is: JsonObject }, node: SchemaNode, skipped: ReadonlySet<string>): void {
    this.members(was, is, node, skipped);
    const outside = this.at;
    const entered = outside.go("field", "metadata");
    this.at = entered;
    const metadata = (object: JsonObject): JsonObject => (isJsonObject(object["metadata"]) ? object["metadata"] : {});
    const metadataNode = node.field("metadata");
    if (metadataNode) this.members(metadata(was), metadata(is), metadataNode, neverOwnedMetadata);
    this.at = this.at === entered ? outside : this.at.go("up", "");
  }

  /** Compares two values; undefined where there is none. Null is a value, but one without a shape. */
  values(was: unknown, is: unknown, node: SchemaNode | undefined): void {
    if (was === is) return;
    const shape = shapeOf(was ?? is, node);
    if (!node || shape === "whole" || shape !== shapeOf(is ?? was, node) || (isBare(was) && isBare(is))) {
      this.whole(was, is);
      return;
    }
    // The shape has been looked at.
    if (shape === "members") this.members(was as JsonObject | undefined, is as JsonObject | undefined, node);
    else this.items((was ?? []) as unknown[], (is ?? []) as unknown[], node);
    if (was === undefined) this.mark("changed");
    else if (is === undefined) this.mark("removed");
  }

  members(was: JsonObject | null | undefined, is: JsonObject | null | undefined, node: SchemaNode, skipped?: ReadonlySet<string>): void {
    for (const name in is) {
      const value = is[name];
      if (value === undefined || skipped?.has(name)) continue;
      const before = was && Object.hasOwn(was, name) ? was[name] : undefined;
      if (value !== before) this.into("field", name, before, value, node.field(name));
    }
    for (const name in was)
      if (was[name] !== undefined && !skipped?.has(name) && (!is || !Object.hasOwn(is, name) || is[name] === undefined))
        this.into("field", name, was[name], undefined, node.field(name));
  }

  private items(was: readonly unknown[], is: readonly unknown[], node: SchemaNode): void {
    let others: Map<string, unknown> | undefined;
    for (let i = 0; i < is.length; i++) {
      const element = this.elementOf(is[i], node);
      // Mostly the items stand where they stood.
      if (!others && i < was.length && this.elementOf(was[i], node) === element) {
        this.into("item", element, was[i], is[i], node.element);
        continue;
      }
      others ??= new Map(was.slice(i).map((item) => [this.elementOf(item, node), item]));
      this.into("item", element, others.get(element), is[i], node.element);
      others.delete(element);
    }
    if (others) for (const [element, item] of others) this.into("item", element, item, undefined, node.element);
    else for (const item of was.slice(is.length)) this.into("item", this.elementOf(item, node), item, undefined, node.element);
  }

  private elementOf(item: unknown, node: SchemaNode): string {
    if (this.isLiteral || node.keys.length !== 1 || node.keys[0] !== "ip" || !isJsonObject(item) || !isAddress(item["ip"])) {
      const element = itemElement(item, node);
      const wrong = namelessText(element, node.keys);
      if (wrong) throw badRequest(wrong);
      return element;
    }
    this.address ??= item["ip"];
    if (this.address !== item["ip"]) this.hasOtherAddress = true;
    return anyAddress;
  }

  private into(kind: "field" | "item", name: string, was: unknown, is: unknown, node: SchemaNode | undefined): void {
    if (was === is) return;
    const outside = this.at;
    const entered = outside.go(kind, name);
    this.at = entered;
    this.values(was, is, node);
    this.at = this.at === entered ? outside : this.at.go("up", "");
  }

  private whole(was: unknown, is: unknown): void {
    if (is === undefined) this.mark("removed");
    else if (was === undefined || !deepEqual(was, is)) this.mark("changed");
  }

  private mark(kind: "changed" | "removed"): void {
    if (this.at.kind !== kind) this.at = this.at.go(kind, "");
  }
}

/** How a value is compared: member by member, item by item, or as a whole. */
function shapeOf(value: unknown, node: SchemaNode | undefined): "members" | "items" | "whole" {
  if (!node || typeof value !== "object" || value === null) return "whole";
  if (Array.isArray(value)) return node.kind === "list" && (node.listType === "set" || node.listType === "map") ? "items" : "whole";
  return (node.kind === "struct" || node.kind === "map") && node.mapType !== "atomic" ? "members" : "whole";
}

/** Whether there are no members or items. */
function isBare(value: unknown): boolean {
  for (const _ in value as object | undefined) return false;
  return true;
}

/** Reads the differences from the steps that lead to a place. */
function differenceAt(end: Step): Difference {
  const way: Step[] = [];
  for (let step: Step | undefined = end; step?.parent; step = step.parent) way.push(step);
  way.reverse();
  return new Difference(placesOf(way, "changed"), placesOf(way, "removed"));
}

/** The places that are marked so on the way. */
function placesOf(way: readonly Step[], mark: "changed" | "removed"): Shape {
  const all = emptySet();
  const within: GrowingSet[] = [];
  let place = all;
  for (const { kind, name } of way) {
    if (kind === mark) place.member = true;
    else if (kind === "up") place = within.pop() ?? all;
    else if (kind === "field" || kind === "item") {
      within.push(place);
      place = childOf(place, kind === "field" ? `f:${name}` : name);
    }
  }
  prune(all);
  return Shape.ofFields(all);
}

function prune(set: GrowingSet): boolean {
  for (const [element, child] of set.children) if (prune(child)) set.children.delete(element);
  return !set.member && set.children.size === 0;
}
