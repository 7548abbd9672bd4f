import type { UserInfo } from "../../api/user.ts";
import type { RequestPath } from "../request-path.ts";

/** A request that asks to be served. */
export interface Arrival {
  path: RequestPath;
  query: URLSearchParams;
  user: UserInfo;
  /** Calls when the client goes away before it has its answer. */
  onGone(call: () => void): void;
  /** Headers that the answer is to have: names and values one after the other. */
  headers(headers: readonly string[]): void;
}

/** A request's place among those that are served at the same time. */
export interface Seat {
  /** Gives the place to the next one. To be called once. */
  leave(): void;
}

/** How much is served at once. */
export interface Gate {
  /** A seat: at once where one is free, without waiting for anything. Throws or rejects with TooManyRequests. */
  enter(arrival: Arrival): Seat | Promise<Seat>;
  /** Families of metrics in Prometheus' text format. */
  metrics(): string[];
  /** A page below /debug/api_priority_and_fairness/: a table in text. */
  dump(page: string): string | undefined;
  /** Ends what the gate follows. */
  close(): void;
}

/** What too many get to read. */
export const tooMany = "Too many requests, please try again later.";

/** How many requests are served at once; both together are what priority and fairness shares out. */
export interface RequestLimits {
  /** --max-requests-inflight. Default 400. */
  readOnly: number;
  /** --max-mutating-requests-inflight. Default 200. */
  mutating: number;
  /** --enable-priority-and-fairness. Default true; otherwise the two limits hold each for itself. */
  fairness: boolean;
}

/** As upstream's. */
export const defaultLimits: RequestLimits = { readOnly: 400, mutating: 200, fairness: true };
