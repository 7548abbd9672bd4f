import type { StoreEvent, StoreWatch } from "./store.ts";

/** One watch: what it wants, and how far it has been told. */
interface Watcher {
  namespace: string | undefined;
  seen: number;
  handler: (event: StoreEvent) => void;
}

/** Who is told of which changes. Every watcher sees every change once, in order, also when watches come and go meanwhile. */
export class Watchers {
  private readonly all = new Set<Watcher>();
  private readonly byResource = new Map<string, Set<Watcher>>();

  /** Delivers the past changes at once, then every later one that is told. */
  add(
    options: { resource?: string; namespace?: string; from: number },
    past: readonly StoreEvent[],
    handler: (event: StoreEvent) => void,
  ): StoreWatch {
    const watcher: Watcher = { namespace: options.namespace, seen: options.from, handler };
    const set = options.resource === undefined ? this.all : this.of(options.resource);
    for (const event of past) deliver(watcher, event);
    set.add(watcher);
    return {
      stop: () => {
        set.delete(watcher);
        watcher.seen = Number.POSITIVE_INFINITY;
      },
    };
  }

  tell(event: StoreEvent): void {
    const set = this.byResource.get(event.object.key.resource);
    if (set) for (const watcher of set) deliver(watcher, event);
    for (const watcher of this.all) deliver(watcher, event);
  }

  private of(resource: string): Set<Watcher> {
    let set = this.byResource.get(resource);
    if (!set) this.byResource.set(resource, (set = new Set()));
    return set;
  }
}

function deliver(watcher: Watcher, event: StoreEvent): void {
  const { key, revision } = event.object;
  if (revision <= watcher.seen) return;
  watcher.seen = revision;
  if (watcher.namespace !== undefined && watcher.namespace !== key.namespace) return;
  try {
    watcher.handler(event);
  } catch (error) {
    // A handler must not throw. It may not spoil the commit for the others, but the mistake must not stay unseen either.
    queueMicrotask(() => {
      throw error;
    });
  }
}
