/** An IPv4 address as a number; undefined when the text is none. */
export function parseIPv4(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (!match) return undefined;
  let value = 0;
  for (const part of match.slice(1)) {
    if (Number(part) > 255 || (part.length > 1 && part.startsWith("0"))) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

/** The address of a number. */
export function formatIPv4(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

/** The usable addresses of a range such as 10.43.0.0/16: without the network's own and the last. Throws for a text that is no range. */
export function usableAddresses(cidr: string): { first: number; last: number } {
  const [address = "", bits = ""] = cidr.split("/");
  const base = parseIPv4(address);
  const length = Number(bits);
  if (base === undefined || !/^\d+$/.test(bits) || length > 30) throw new Error(`${cidr} is not an IPv4 range`);
  const size = 2 ** (32 - length);
  const network = base - (base % size);
  return { first: network + 1, last: network + size - 2 };
}
