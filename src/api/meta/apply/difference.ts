import { difference, type FieldSet, union } from "./field-set.ts";
import { nothingOwned, OwnedSet, Shape } from "./owned-set.ts";

/** How states of objects differ, in fields that somebody can own: the same for all that differ alike, whatever address is in it. */
export class Difference {
  /** Places that are new or have another value. */
  readonly changed: Shape;
  readonly removed: Shape;
  private readonly withdrawn = new Map<Shape, Shape>();
  private readonly renewed = new Map<Shape, Shape>();

  constructor(changed: Shape, removed: Shape) {
    this.changed = changed;
    this.removed = removed;
  }

  leftOf(set: Shape): Shape {
    if (!set.mayShare(this.changed) && !set.mayShare(this.removed)) return set;
    return remembered(this.withdrawn, set, () => difference(set.fields, union(this.changed.fields, this.removed.fields)));
  }

  ownedAfter(set: Shape): Shape {
    return remembered(this.renewed, set, () => {
      // Mostly it is what the writer owned already.
      if (this.removed.isEmpty && set.includes(this.changed)) return set;
      return union(difference(set.fields, this.removed.fields), this.changed.fields);
    });
  }
}

const maximumRemembered = 64;

function remembered(results: Map<Shape, Shape>, set: Shape, find: () => FieldSet | Shape): Shape {
  let result = results.get(set);
  if (result) return result;
  const found = find();
  result = found instanceof Shape ? found : Shape.ofFields(found);
  // The same under another identity would keep its text twice.
  if (result.text === set.text) result = set;
  if (results.size >= maximumRemembered) results.clear();
  results.set(set, result);
  return result;
}

/** How two states of one object differ. */
export class Comparison {
  private readonly difference: Difference;
  private readonly address: string | undefined;

  constructor(difference: Difference, address: string | undefined) {
    this.difference = difference;
    this.address = address;
  }

  /** Nothing is new, and that is gone. */
  static removing({ shape, address }: OwnedSet): Comparison {
    return new Comparison(new Difference(nothingOwned.shape, shape), address);
  }

  /** Places that are new or have another value. */
  get changed(): OwnedSet {
    return this.difference.changed.with(this.address);
  }

  get removed(): OwnedSet {
    return this.difference.removed.with(this.address);
  }

  get isEmpty(): boolean {
    return this.difference.changed.isEmpty && this.difference.removed.isEmpty;
  }

  get hasChanged(): boolean {
    return !this.difference.changed.isEmpty;
  }

  /** What is left of the set of somebody else. */
  leftOf(set: OwnedSet): OwnedSet {
    return this.apply(set, (all, shape) => all.leftOf(shape));
  }

  /** What the writer owns, who owned the set before. */
  ownedAfter(set: OwnedSet): OwnedSet {
    return this.apply(set, (all, shape) => all.ownedAfter(shape));
  }

  private apply(set: OwnedSet, how: (difference: Difference, set: Shape) => Shape): OwnedSet {
    if (this.isOpenLike(set)) {
      const shape = how(this.difference, set.shape);
      return shape === set.shape ? set : shape.with(set.address ?? this.address);
    }
    const literal = new Difference(Shape.of(this.changed.text), Shape.of(this.removed.text));
    return OwnedSet.ofText(how(literal, Shape.of(set.text)).text);
  }

  /** Whether what is left open is the same address in both; or in one only, and the other has none. */
  private isOpenLike({ address, shape }: OwnedSet): boolean {
    if (address === this.address) return true;
    if (address === undefined) return !shape.hasAddress;
    return this.address === undefined && !this.difference.changed.hasAddress && !this.difference.removed.hasAddress;
  }
}
