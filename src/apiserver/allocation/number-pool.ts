/** Numbers of a range that are given to owners; one number belongs to one owner at a time. Kept in memory, rebuilt from the store. */
export class NumberPool {
  readonly first: number;
  readonly last: number;
  /** Below this, numbers are given by chance only when the rest is used up: they are for those who ask for one (KEP-3070). */
  private readonly dynamicFirst: number;
  private readonly owners = new Map<number, string>();
  private readonly random: () => number;

  constructor(range: { first: number; last: number; staticBand: number }, random: () => number) {
    this.first = range.first;
    this.last = range.last;
    this.dynamicFirst = Math.min(range.first + range.staticBand, range.last);
    this.random = random;
  }

  has(number: number): boolean {
    return Number.isInteger(number) && number >= this.first && number <= this.last;
  }

  ownerOf(number: number): string | undefined {
    return this.owners.get(number);
  }

  /** Whether the owner has the number now; false when it is another's. */
  take(number: number, owner: string): boolean {
    const before = this.owners.get(number);
    if (before !== undefined && before !== owner) return false;
    this.owners.set(number, owner);
    return true;
  }

  /** Any free number; undefined when there is none. */
  takeAny(owner: string): number | undefined {
    const number = this.freeIn(this.dynamicFirst, this.last) ?? this.freeIn(this.first, this.dynamicFirst - 1);
    if (number !== undefined) this.owners.set(number, owner);
    return number;
  }

  release(number: number, owner: string): void {
    if (this.owners.get(number) === owner) this.owners.delete(number);
  }

  private freeIn(first: number, last: number): number | undefined {
    const size = last - first + 1;
    if (size <= 0) return undefined;
    const start = Math.floor(this.random() * size);
    for (let i = 0; i < size; i++) {
      const number = first + ((start + i) % size);
      if (!this.owners.has(number)) return number;
    }
    return undefined;
  }
}

/** The bands that upstream reserves for static use: min(max(16, size / 16), 256) addresses, of ports 16 to 128 in steps of 1/32. */
export function staticAddressBand(size: number): number {
  return size < 16 ? 0 : Math.min(Math.max(16, Math.floor(size / 16)), 256);
}

/** As staticAddressBand, for node ports: min(max(16, size / 32), 128). */
export function staticPortBand(size: number): number {
  return size < 32 ? 0 : Math.min(Math.max(16, Math.floor(size / 32)), 128);
}
