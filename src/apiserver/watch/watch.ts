import { expired, type FieldError, internalError, invalid, StatusError } from "../../api/errors.ts";
import * as fault from "../../api/meta/field-errors.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import { Compacted, type StoredObject, type StoreEvent } from "../../store/store.ts";
import type { Call, WatchOptions } from "../call.ts";
import { type View, viewOf, type WebhookConversion } from "../resource-handler.ts";
import { type Selection, selectionOf } from "../selection.ts";
import type { VerbContext } from "../verbs/context.ts";
import { parseRevision, refuseFuture } from "../verbs/list.ts";

/** Where the events of one watch go. Called in order, never one inside another. */
export interface WatchSink {
  event(type: "ADDED" | "MODIFIED" | "DELETED", view: View): void;
  /** Everything up to the revision has been sent; `initialEnd`: the initial events end here. */
  bookmark(revision: number, initialEnd: boolean): void;
  /** The watch cannot go on. */
  failed(error: StatusError): void;
}

/** A checked watch, ready to run. */
export interface Watch {
  /** Sends the initial events, and then every change, until the returned function is called. */
  start(sink: WatchSink): () => void;
  /** Whether events wait to be sent: bookmarks then would say too much. */
  isBehind?(): boolean;
}

/**
 * Prepares a watch of what the call names (one object when it has a name). Throws for options that make no sense; see "Kubernetes API
 * Concepts": semantics for watch, and KEP-3157 for initial events.
 */
export function prepareWatch(context: VerbContext, call: Call, options: WatchOptions): Watch {
  const { handler } = call;
  validateWatchOptions(options);
  const fieldSelector = call.name ? [options.fieldSelector, `metadata.name=${call.name}`].filter(Boolean).join(",") : options.fieldSelector;
  const selection = selectionOf(handler, { labelSelector: options.labelSelector, fieldSelector });
  const asked = parseRevision(options.resourceVersion);
  if (options.sendInitialEvents) refuseFuture(context, asked);
  const initial = options.sendInitialEvents ?? asked === 0;
  const query = { resource: handler.storage, namespace: call.namespace || undefined };
  const begin = (sink: WatchSink): number => {
    if (!initial && asked !== 0) return asked;
    const { objects, revision } = initial
      ? context.store.list({ ...query, match: selection.match, label: selection.label })
      : { objects: [], revision: context.store.revision };
    for (const stored of objects) sink.event("ADDED", handler.view(stored));
    if (options.sendInitialEvents) sink.bookmark(revision, true);
    return revision;
  };
  const { conversion } = handler;
  if (!conversion) return { start: (sink) => follow(context, call, selection, begin(sink), sink) };
  return convertedWatch(conversion, {
    before: () => (initial ? context.store.list(query).objects : []),
    begin,
    follow: (from, sink, prepared) => follow(context, call, selection, from, sink, prepared),
  });
}

/** A watch that waits for a conversion webhook: events keep their order. */
function convertedWatch(
  conversion: WebhookConversion,
  steps: {
    before(): StoredObject[];
    begin(sink: WatchSink): number;
    follow(from: number, sink: WatchSink, prepared: (objects: StoredObject[], then: () => void) => void): () => void;
  },
): Watch {
  let waiting = 0;
  return {
    isBehind: () => waiting > 0,
    start(sink) {
      let stopped = false;
      let stop = (): void => {};
      let last: Promise<void> = Promise.resolve();
      const prepared = (objects: StoredObject[], then: () => void): void => {
        waiting++;
        const ready = conversion.prepare(objects);
        ready?.catch(() => {}); // Told below, in its turn.
        last = last
          .then(() => ready)
          .then(() => (stopped ? undefined : then()))
          .catch((error: unknown) => {
            if (!stopped) sink.failed(error instanceof StatusError ? error : internalError(String(error)));
            stopped = true;
            stop();
          })
          .finally(() => waiting--);
      };
      prepared(steps.before(), () => {
        stop = steps.follow(steps.begin(sink), sink, prepared);
      });
      return () => {
        stopped = true;
        stop();
      };
    },
  };
}

function follow(
  context: VerbContext,
  call: Call,
  selection: Selection,
  from: number,
  sink: WatchSink,
  prepared?: (objects: StoredObject[], then: () => void) => void,
): () => void {
  const { handler } = call;
  const { match, name } = selection;
  const deliver = (event: StoreEvent): void => {
    if (name !== undefined && event.object.key.name !== name) return;
    if (!match) {
      sink.event(event.type, handler.view(event.object));
      return;
    }
    const is = event.type !== "DELETED" && match(event.object);
    const was = event.previous !== undefined && match(event.previous);
    if (is) sink.event(was ? "MODIFIED" : "ADDED", handler.view(event.object));
    else if (was) sink.event("DELETED", event.type === "DELETED" ? handler.view(event.object) : lastState(call, event));
  };
  try {
    const receive = prepared
      ? (event: StoreEvent): void => prepared([event.object, ...(match && event.previous ? [event.previous] : [])], () => deliver(event))
      : deliver;
    const watch = context.store.watch({ resource: handler.storage, namespace: call.namespace || undefined, from }, receive);
    return () => watch.stop();
  } catch (error) {
    if (!(error instanceof Compacted)) throw error;
    sink.failed(expired(`too old resource version: ${from} (${error.oldest})`));
    return () => {};
  }
}

const lastStates = new WeakMap<StoredObject, View>();

/** The state before an object left a selection, with the revision of the change that made it leave. Made once for all watchers. */
function lastState({ handler }: Call, { object, previous }: StoreEvent): View {
  const last = previous ?? object;
  const { object: shown, managed } = handler.view(last);
  const known = lastStates.get(object);
  if (known && known.object.apiVersion === shown.apiVersion) return known;
  const view = viewOf({ ...shown, metadata: { ...shown.metadata, resourceVersion: String(object.revision) } }, managed);
  lastStates.set(object, view);
  return view;
}

/** The object of a bookmark: nothing but its kind and the revision. */
export function bookmarkObject({ handler }: Call, revision: number, initialEnd: boolean): KubeObject {
  const annotations = initialEnd ? { annotations: { "k8s.io/initial-events-end": "true" } } : {};
  const { groupVersion: apiVersion, kind } = handler.info;
  return { kind, apiVersion, metadata: { resourceVersion: String(revision), ...annotations } };
}

function validateWatchOptions(options: WatchOptions): void {
  const errors: FieldError[] = [];
  const match = options.resourceVersionMatch;
  const refuse = (why: string): void => {
    errors.push({ reason: "FieldValueForbidden", field: "resourceVersionMatch", message: `Forbidden: ${why}` });
  };
  if (options.sendInitialEvents !== undefined) {
    if (match !== "NotOlderThan") refuse("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
  } else if (match) refuse("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
  if (match && match !== "NotOlderThan") errors.push(fault.notSupported("resourceVersionMatch", match, ["NotOlderThan"]));
  if (errors.length > 0) throw invalid({ group: "meta.k8s.io", kind: "ListOptions" }, errors);
}
