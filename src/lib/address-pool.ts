import ipaddr from "ipaddr.js";

/** Addresses of one range, given out in turn so that one that has become free is not used again at once. */
export class AddressPool {
  private readonly first: number;
  private readonly last: number;
  private readonly taken = new Set<number>();
  private next: number;

  /** The first address of the range (after the network's) is the gateway's, the last is for broadcasts. */
  constructor(cidr: string) {
    const [network, bits] = ipaddr.IPv4.parseCIDR(cidr);
    const base = toNumber(network.toString());
    this.first = base + 2;
    this.last = base + 2 ** (32 - bits) - 2;
    this.next = this.first;
  }

  /** The gateway's address. */
  get gateway(): string {
    return toText(this.first - 1);
  }

  /** Marks an address as used. */
  take(ip: string): void {
    this.taken.add(toNumber(ip));
  }

  /** Gives it back. */
  release(ip: string): void {
    this.taken.delete(toNumber(ip));
  }

  /** A free address, marked as used. Throws when there is none. */
  reserve(): string {
    for (let i = this.first; i <= this.last; i++) {
      const candidate = this.next;
      this.next = candidate === this.last ? this.first : candidate + 1;
      if (this.taken.has(candidate)) continue;
      this.taken.add(candidate);
      return toText(candidate);
    }
    throw new Error("the node's pod range has no free address");
  }
}

function toNumber(ip: string): number {
  return ip.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

function toText(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
}
