import { tooManyRequests } from "../../api/errors.ts";
import { type Gate, type RequestLimits, type Seat, tooMany } from "./gate.ts";

const readOnlyVerbs = new Set(["get", "list", "watch"]);

/**
 * The gate without priority and fairness: a limit for requests that read and one for those that write; 0 is no limit. Watches and
 * administrators are not counted.
 */
export function inFlightGate({ readOnly, mutating }: Pick<RequestLimits, "readOnly" | "mutating">): Gate {
  const counter = (limit: number): (() => Seat) => {
    let count = 0;
    const seat: Seat = { leave: () => void count-- };
    return () => {
      if (limit > 0 && count >= limit) throw tooManyRequests(tooMany);
      count++;
      return seat;
    };
  };
  const reading = counter(readOnly);
  const writing = counter(mutating);
  const free: Seat = { leave() {} };
  return {
    enter({ path: { verb }, user }) {
      if (verb === "watch" || user.groups.includes("system:masters")) return free;
      return readOnlyVerbs.has(verb) ? reading() : writing();
    },
    metrics: () => [],
    dump: () => undefined,
    close() {},
  };
}
