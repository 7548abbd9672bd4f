import { isNamespaceTerminating, isReason } from "../api/errors.ts";
import type { Controller, ControllerContext } from "./controller.ts";
import { WorkQueue } from "./queue.ts";

/** A controller at work. */
export interface Running {
  /** Resolves when no reconcile runs any more. */
  stop(): Promise<void>;
}

/** What fails because caches are behind or the namespace goes: it comes right by itself. Something missing counts when it stays so for 75 ms. */
function passes(error: unknown, retries: number): boolean {
  return isReason(error, "Conflict") || isNamespaceTerminating(error) || (isReason(error, "NotFound") && retries < 5);
}

/** Runs a controller: waits for its caches, then reconciles each key that a watched object maps to, at first and after every change. */
export function runController(controller: Controller, { clock, log }: Pick<ControllerContext, "clock" | "log">): Running {
  const queue = new WorkQueue({
    clock,
    workers: controller.workers ?? 5,
    work: (key) => controller.reconcile(key),
    ...(controller.rest ? { rest: (key) => controller.rest?.(key) ?? 0 } : {}),
    failed(key, error, retries, delay) {
      if (passes(error, retries)) return;
      const fields = {
        controller: controller.name,
        key,
        retries,
        again: delay,
        error: error instanceof Error ? error.message : String(error),
      };
      log.warn(fields, "reconcile failed");
      if (error instanceof TypeError || error instanceof RangeError)
        log.error({ controller: controller.name, key, stack: error.stack }, "defect");
    },
  });
  let stopped = false;
  let started = false;
  const unsubscribe: (() => void)[] = [];

  function start(): void {
    if (stopped) return;
    started = true;
    controller.start?.();
    for (const { cache, keys, matters } of controller.watches)
      unsubscribe.push(
        cache.onChange((change) => {
          if (matters && !matters(change)) return;
          const { object, old } = change;
          if (old) for (const key of keys(old)) queue.add(key);
          if (object) for (const key of keys(object)) queue.add(key);
        }),
      );
  }

  void Promise.all(controller.watches.map(({ cache }) => cache.synced)).then(start, (error: unknown) =>
    log.error({ controller: controller.name, error }, "cannot start"),
  );
  return {
    async stop() {
      if (stopped) return;
      stopped = true;
      for (const end of unsubscribe) end();
      await queue.stop();
      if (started) controller.stop?.();
    },
  };
}
