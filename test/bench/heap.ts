/** Bytes and number of what a heap snapshot holds, by kind of thing. */
export type HeapSums = Map<string, { bytes: number; count: number }>;

interface Snapshot {
  snapshot: { meta: { node_fields: string[]; node_types: [string[], ...unknown[]] } };
  nodes: number[];
  strings: string[];
}

/** Sums a snapshot: objects by their constructor, everything else (strings, arrays, code) by V8's name for it. */
export function heapSums(json: string): HeapSums {
  const { snapshot, nodes, strings } = JSON.parse(json) as Snapshot;
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const [type, name, size] = ["type", "name", "self_size"].map((field) => fields.indexOf(field)) as [number, number, number];
  const sums: HeapSums = new Map();
  for (let at = 0; at < nodes.length; at += fields.length) {
    const kind = types[0][nodes[at + type] ?? 0] ?? "";
    const key = kind === "object" ? (strings[nodes[at + name] ?? 0] ?? kind) : `(${kind})`;
    const sum = sums.get(key) ?? { bytes: 0, count: 0 };
    sum.bytes += nodes[at + size] ?? 0;
    sum.count++;
    sums.set(key, sum);
  }
  return sums;
}

/** What one of so many objects has added, the most bytes first; what is under a byte is left out. */
export function perObject(before: HeapSums, after: HeapSums, objects: number): { name: string; bytes: number; count: number }[] {
  const added = [...after].map(([name, sum]) => {
    const was = before.get(name) ?? { bytes: 0, count: 0 };
    return { name, bytes: (sum.bytes - was.bytes) / objects, count: (sum.count - was.count) / objects };
  });
  return added.filter(({ bytes }) => bytes >= 1).sort((a, b) => b.bytes - a.bytes);
}
