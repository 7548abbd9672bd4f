import { performance } from "node:perf_hooks";
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Clock } from "../lib/clock.ts";

/** How long the process has to have next to nothing to do: milliseconds, and the share of time that it may be at work. */
const quiet = { milliseconds: 3000, share: 0.05 };
/** A larger heap takes long to collect; it is left to V8, which collects it bit by bit. Bytes. */
const largestHeap = 128 * 2 ** 20;

/**
 * Gives back, once, what starting up has left behind, as soon as the process has nothing to do: V8 keeps a young generation of 16 MiB
 * that start-up made it take, and collects late what nobody allocates after.
 */
export function collectWhenIdle(clock: Clock): void {
  let before = performance.eventLoopUtilization();
  const look = (): void => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    if (utilization > quiet.share) clock.after(quiet.milliseconds, look);
    else if (getHeapStatistics().used_heap_size < largestHeap) collect();
  };
  clock.after(quiet.milliseconds, look);
}

/** "Last resort" is the only collection that makes the young generation small at once. */
function collect(): void {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")({ type: "major", execution: "sync", flavor: "last-resort" });
  setFlagsFromString("--no-expose-gc"); // while V8's flags are not its defaults, Node's own modules load without their code cache
}
