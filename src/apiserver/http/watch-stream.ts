import type { StatusError } from "../../api/errors.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Call, WatchOptions } from "../call.ts";
import type { View } from "../resource-handler.ts";
import type { Bookmarks } from "../watch/bookmarks.ts";
import { bookmarkObject, type Watch, type WatchSink } from "../watch/watch.ts";
import type { Responder } from "./reply.ts";
import type { Representation } from "./representation.ts";

/** A watcher that has this much unread, in bytes, is cut off: it can watch on from its last revision. */
const unreadLimit = 32 * 1024 * 1024;
/** Seconds. Watches without a timeout end after this long up to twice as long, so that they do not all come back at once. */
const shortestTimeout = 1800;

/** What watch streams need of the server. */
export interface StreamParts {
  clock: Clock;
  bookmarks: Bookmarks;
  random(): number;
  /** The newest revision, for bookmarks. */
  revision(): number;
}

type EventType = "ADDED" | "MODIFIED" | "DELETED";
const lines = new WeakMap<View, Partial<Record<EventType, Buffer>>>();

/** The JSON line of an event, encoded once for all watchers that take objects as they are. */
function lineOf(type: EventType, view: View): Buffer {
  let known = lines.get(view);
  if (!known) lines.set(view, (known = {}));
  return (known[type] ??= Buffer.from(`{"type":"${type}","object":${view.text}}\n`));
}

/** Runs a watch over HTTP, as a stream of JSON lines, until the client goes or the time is over. */
export function streamWatch(
  parts: StreamParts,
  call: Call,
  options: WatchOptions,
  watch: Watch,
  out: { responder: Responder; representation: Representation },
): void {
  const { responder, representation } = out;
  const { response } = responder;
  response.writeHead(200, responder.headers("application/json"));
  response.flushHeaders();
  let first = true;
  let told = 0;
  let corked = false;
  const uncork = (): void => {
    if (corked) response.uncork();
    corked = false;
  };
  // What one commit brings goes out in one piece.
  const write = (data: string | Buffer): void => {
    if (!corked) {
      response.cork();
      process.nextTick(uncork);
    }
    corked = true;
    response.write(data);
    if (response.writableLength > unreadLimit) response.destroy();
  };
  const event = (type: string, object: Readonly<View["object"]>): void => {
    write(`${JSON.stringify({ type, object: representation.eventObject(object, first) })}\n`);
    first = false;
  };
  const sink: WatchSink = {
    event(type, view) {
      if (representation.plain) write(lineOf(type, view));
      else event(type, view.object);
    },
    bookmark(revision, initialEnd) {
      told = revision;
      if (options.allowWatchBookmarks || initialEnd) event("BOOKMARK", bookmarkObject(call, revision, initialEnd));
    },
    failed(error: StatusError) {
      write(`${JSON.stringify({ type: "ERROR", object: error.status })}\n`);
      end();
    },
  };
  const stops: (() => void)[] = [];
  const stop = (): void => {
    for (const each of stops.splice(0)) each();
  };
  let over = false;
  const end = (): void => {
    over = true;
    stop();
    // An end while corked would lose what is held back.
    uncork();
    response.end();
  };
  response.on("close", stop);
  const seconds = options.timeoutSeconds || shortestTimeout * (1 + parts.random());
  stops.push(parts.clock.after(seconds * 1000, end));
  if (options.allowWatchBookmarks)
    stops.push(
      parts.bookmarks.add(() => {
        const revision = parts.revision();
        if (revision > told) sink.bookmark(revision, false);
      }),
    );
  stops.push(watch.start(sink));
  if (over || response.destroyed) stop();
}
