/** An IPv4 range as numbers: its first address, and how many bits are fixed. */
interface Block {
  first: number;
  bits: number;
}

/** The ranges that are left of a range without others, none of them overlapping: an ipBlock as addresses that can be matched one by one. */
export function withoutRanges(range: string, except: readonly string[]): string[] {
  let left = [blockOf(range)];
  for (const out of except.map(blockOf)) left = left.flatMap((block) => without(block, out));
  return left.map(({ first, bits }) => `${[24, 16, 8, 0].map((shift) => (first >>> shift) & 255).join(".")}/${bits}`);
}

function without(block: Block, out: Block): Block[] {
  if (contains(out, block)) return [];
  if (!contains(block, out)) return [block];
  const bits = block.bits + 1;
  return [block.first, block.first + 2 ** (32 - bits)].flatMap((first) => without({ first, bits }, out));
}

function contains(outer: Block, inner: Block): boolean {
  const size = 2 ** (32 - outer.bits);
  return inner.bits >= outer.bits && inner.first >= outer.first && inner.first < outer.first + size;
}

function blockOf(range: string): Block {
  const [ip = "", bits = "32"] = range.split("/");
  const address = ip.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - Number(bits));
  return { first: Math.floor(address / size) * size, bits: Number(bits) };
}
