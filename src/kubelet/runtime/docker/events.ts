import type { Clock } from "../../../lib/clock.ts";
import { type Engine, label } from "./engine.ts";
import { type Owner, ownerLabels } from "./specs.ts";
import { jsonLines } from "./streams.ts";

/** Who wants to know what the engine tells. */
export interface EngineListener {
  /** A container of that pod has changed; undefined: changes may have been missed. */
  changed(podUid: string | undefined): void;
  /** A command in a container has ended. */
  execEnded(execId: string, exitCode: number): void;
}

/** Follows the engine's event stream; after a break it connects again, and says that changes may have been missed. */
export function watchEngine(engine: Engine, owner: Owner, clock: Clock, { changed, execEnded }: EngineListener): () => void {
  const stop = new AbortController();
  const filters = {
    type: ["container"],
    event: ["start", "die", "destroy", "oom", "exec_die"],
    label: Object.entries(ownerLabels(owner)).map(([k, v]) => `${k}=${v}`),
  };
  const follow = async (): Promise<void> => {
    try {
      const stream = await engine.stream("GET", "/events", { query: { filters }, signal: stop.signal });
      if (!stop.signal.aborted) changed(undefined);
      await jsonLines(stream, (line) => {
        const { Action, Actor } = line as Event; // one event of the engine
        const { execID, exitCode, [label.podUid]: uid } = Actor?.Attributes ?? {};
        if (Action === "exec_die" && execID) execEnded(execID, Number(exitCode));
        else if (uid) changed(uid);
      });
    } catch {
      // Said by whoever talks to the engine next; here only the next attempt counts.
    }
    if (!stop.signal.aborted) clock.after(1000, () => void follow());
  };
  void follow();
  return () => stop.abort();
}

interface Event {
  Action?: string;
  Actor?: { Attributes?: Record<string, string> };
}
