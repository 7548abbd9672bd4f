import type { Store } from "../../store/store.ts";
import type { Registry } from "../registry.ts";
import { isTrue } from "../request-path.ts";
import type { Arrival } from "./gate.ts";

/** Bytes of objects that one seat stands for, and more than which no list from memory counts. */
const bytesPerSeat = 100_000;
const mostBytes = 1_000_000;
/** How many objects are measured to know the size of all. */
const sampled = 16;

/** Estimates how many seats a request takes. */
export type WorkEstimate = (arrival: Pick<Arrival, "path" | "query">) => number;

/**
 * One seat, and for lists, and watches that begin with what is there, one for each 100 KB of objects that the answer may have. A write
 * takes no more for those that watch: here they have been told when the request is over.
 */
export function workEstimate(store: Store, registry: Registry): WorkEstimate {
  const sizes = new Map<string, { count: number; bytes: number }>();
  const sizeOf = (resource: string, count: number): number => {
    const known = sizes.get(resource);
    if (known && count < known.count * 2 && count * 2 > known.count) return known.bytes;
    const { objects } = store.list({ resource, limit: sampled });
    const bytes = objects.reduce((sum, { text }) => sum + text.length, 0) / (objects.length || 1);
    sizes.set(resource, { count, bytes });
    return bytes;
  };
  return ({ path, query }) => {
    if (path.verb !== "list" && path.verb !== "watch") return 1;
    if (path.name || query.get("fieldSelector")?.includes("metadata.name=") || (path.verb === "watch" && !beginsWithState(query))) return 1;
    const handler = registry.find(path.groupVersion, path.resource);
    if (!handler || handler.virtual) return 1;
    const count = store.count(handler.storage);
    if (count <= sampled) return 1;
    const limit = Number(query.get("limit")) || count;
    return Math.max(1, Math.ceil(Math.min(mostBytes, Math.min(limit, count) * sizeOf(handler.storage, count)) / bytesPerSeat));
  };
}

function beginsWithState(query: URLSearchParams): boolean {
  const revision = query.get("resourceVersion");
  return isTrue(query.get("sendInitialEvents")) || !revision || revision === "0";
}
