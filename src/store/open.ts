import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { memoryLog } from "./memory-log.ts";
import { RevisionStore, type RevisionStoreOptions } from "./revision-store.ts";
import { SqliteLog } from "./sqlite-log.ts";
import { type Store, StoreFailed } from "./store.ts";
import { HistoryLost, SealedLog, type Sealing } from "./sealed-log.ts";

/** Where the store keeps its log, and how. */
export interface StoreOptions extends RevisionStoreOptions {
  /** The SQLite file, made when it is not there; or "memory": nothing outlives the process. */
  path: string;
  /** The most that the file may grow to, in bytes; default: what the disk holds. */
  maxBytes?: number;
  /** In which form states lie in the file; default: as they are. */
  sealing?: Sealing | undefined;
}

/**
 * Opens the store, alone: a second process on the same file is refused. Rejects with StoreFailed, whose message is one sentence
 * that says what to do, when the file is in use, damaged, not a store, of a newer version, or cannot be written.
 */
export async function openStore({ path, maxBytes, sealing, ...options }: StoreOptions): Promise<Store> {
  if (path === "memory") return RevisionStore.open(memoryLog, "the store", options);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 }).catch((error: Error) => {
    throw new StoreFailed(`the folder of ${path} cannot be made: ${error.message}`);
  });
  const file = { maxBytes, wipe: sealing !== undefined };
  const open = (): Promise<Store> => RevisionStore.open(new SealedLog(new SqliteLog(path, file), path, sealing), path, options);
  return open().catch((error: unknown) => {
    if (error instanceof HistoryLost) return open();
    throw error;
  });
}
