import type { KubeObject } from "../api/meta/object.ts";
import type { Clock } from "../lib/clock.ts";
import type { Cache, Caches, Change } from "./cache.ts";
import type { Client } from "./client.ts";
import type { EventRecorder } from "./events.ts";
import type { Logger } from "../lib/log.ts";

/** What a controller gets to work with. */
export interface ControllerContext {
  client: Client;
  caches: Caches;
  events: EventRecorder;
  clock: Clock;
  log: Logger;
}

/** One resource that wakes a controller. */
export interface Watch<T extends KubeObject = KubeObject> {
  cache: Cache<T>;
  /** The keys to reconcile after a change of this object; called for the old and for the new state. */
  keys: (object: T) => readonly string[];
  /** False for changes that cannot matter, such as a node's heartbeat. Default: every change matters. */
  matters?: ((change: Change<T>) => boolean) | undefined;
}

/**
 * A controller brings the world to what the objects ask for, key by key ("namespace/name" or "name").
 * It never learns which event woke it.
 */
export interface Controller {
  /** As in upstream's list of controllers: "deployment", "replicaset", ... */
  name: string;
  watches: readonly Watch[];
  /** How many keys are reconciled side by side; one key never runs twice at once. Default 5. */
  workers?: number;
  /**
   * Compares what is with what should be, and writes the difference. Returns in how many milliseconds to look again, or nothing.
   * When it throws, the key comes again with exponential back-off (5 ms to 1000 s); what passes by itself (a Conflict, an object just deleted) is not logged.
   */
  reconcile(key: string): Promise<number | void>;
  /**
   * For how many milliseconds a key is left alone after its reconcile, so that the changes of that time are answered together: for keys whose
   * reconcile looks at thousands of objects, each of which wakes it. Default 0.
   */
  rest?(key: string): number;
  /** Runs once when all watched caches are synced, before the first reconcile. */
  start?(): void;
  /** Stops what start began. */
  stop?(): void;
}

/** One file a controller exports a function of this shape; src/controllers/index.ts lists them all. */
export type ControllerFactory = (context: ControllerContext) => Controller;

/** Typed helper: the watches of a controller are of different types, its list is not. */
export function watch<T extends KubeObject>(
  cache: Cache<T>,
  keys: (object: T) => readonly string[],
  matters?: (change: Change<T>) => boolean,
): Watch {
  return { cache, keys, matters } as unknown as Watch;
}

/** The shortest of several waits, for reconcile to return; undefined when there is nothing to wait for. */
export function soonest(...waits: (number | undefined)[]): number | undefined {
  let shortest: number | undefined;
  for (const wait of waits) if (wait !== undefined && (shortest === undefined || wait < shortest)) shortest = wait;
  return shortest;
}

/**
 * A rest (Controller.rest) in proportion to the objects that a reconcile looks at, so that a controller spends about a tenth of its time on
 * one key at most: none for up to 200 objects, 100 ms for 5,000.
 */
export function restAfter(objects: number): number {
  return objects <= 200 ? 0 : objects / 50;
}
