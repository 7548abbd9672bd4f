import type Docker from "dockerode";
import type { Clock } from "../../../lib/clock.ts";
import { label } from "./engine.ts";
import { type Owner, ownerLabels } from "./specs.ts";
import { jsonLines } from "./streams.ts";

/** Follows the engine's event stream; after a break it connects again, and says that changes may have been missed. */
export function watchEngine(docker: Docker, owner: Owner, clock: Clock, changed: (uid: string | undefined) => void): () => void {
  const stop = new AbortController();
  const filters = {
    type: ["container"],
    event: ["start", "die", "destroy", "oom"],
    label: Object.entries(ownerLabels(owner)).map(([k, v]) => `${k}=${v}`),
  };
  const follow = async (): Promise<void> => {
    try {
      const stream = await docker.getEvents({ filters: JSON.stringify(filters), abortSignal: stop.signal } as Docker.GetEventsOptions);
      if (!stop.signal.aborted) changed(undefined);
      await jsonLines(stream, (line) => {
        const uid = (line as Event).Actor?.Attributes?.[label.podUid]; // one event of the engine
        if (uid) changed(uid);
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
  Actor?: { Attributes?: Record<string, string> };
}
