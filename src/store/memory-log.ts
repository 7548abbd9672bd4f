import type { Log } from "./log.ts";
import { StoreFailed } from "./store.ts";

/** A log that keeps nothing: the store above it lives as long as its process. For tests and clusters in memory. */
export const memoryLog: Log = {
  counts: { batches: 0, syncs: 0 },
  open: async () => ({ compacted: 1, ceiling: 1 }),
  read: async () => [],
  append: async () => {},
  compact: async () => {},
  backup: () => Promise.reject(new StoreFailed("a store in memory cannot be backed up; start with a data folder instead")),
  close: async () => {},
};
