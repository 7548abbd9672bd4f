import { deepEqual } from "../equality.ts";

/**
 * A merged list in the order that strategic merge patch gives it: items named by `order` in that order, the others in the
 * `original`'s, interleaved so that an item stays before those that it preceded in the original.
 */
export function normalizeOrder(
  merged: readonly unknown[],
  order: readonly unknown[],
  original: readonly unknown[],
  mergeKey: string | undefined,
): unknown[] {
  const position = positions(order, mergeKey);
  const before = positions(original, mergeKey);
  const byPatch = sortBy(
    merged.filter((item) => position(item) >= 0),
    position,
  );
  const others = sortBy(
    merged.filter((item) => position(item) < 0),
    before,
  );
  const result: unknown[] = [];
  let i = 0;
  let j = 0;
  while (i < others.length && j < byPatch.length) {
    const left = before(others[i]);
    const right = before(byPatch[j]);
    if (left >= 0 && right >= 0 && left < right) result.push(others[i++]);
    else result.push(byPatch[j++]);
  }
  return [...result, ...others.slice(i), ...byPatch.slice(j)];
}

/** What upstream says when a patch list's items do not follow its $setElementOrder list; undefined when they do. */
export function orderMismatch(list: readonly unknown[], order: readonly unknown[], mergeKey: string | undefined): string | undefined {
  const position = positions(order, mergeKey);
  let last = -1;
  for (const item of list) {
    if (typeof item === "object" && item !== null && "$patch" in item) continue;
    const index = position(item);
    if (index < last || index < 0)
      return `The order in patch list:\n${goList(list)}\n doesn't match $setElementOrder list:\n${goList(order)}\n`;
    last = index;
  }
  return undefined;
}

/** Where an item stands in the list, by merge key for objects and by value for the rest; -1 when it does not. */
function positions(list: readonly unknown[], mergeKey: string | undefined): (item: unknown) => number {
  const identity = (item: unknown): unknown => (mergeKey && typeof item === "object" && item !== null ? Reflect.get(item, mergeKey) : item);
  const keys = list.map(identity);
  return (item) => {
    const key = identity(item);
    return typeof key === "string" ? keys.indexOf(key) : keys.findIndex((k) => deepEqual(k, key));
  };
}

function sortBy(list: unknown[], position: (item: unknown) => number): unknown[] {
  return list
    .map((item) => ({ item, at: position(item) }))
    .sort((a, b) => rank(a.at) - rank(b.at))
    .map(({ item }) => item);
}

function rank(position: number): number {
  return position < 0 ? Number.MAX_SAFE_INTEGER : position;
}

function goList(list: readonly unknown[]): string {
  return `[${list.map((item) => (typeof item === "object" ? JSON.stringify(item) : String(item))).join(" ")}]`;
}
