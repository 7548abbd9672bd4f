import type { StatusError } from "../../api/errors.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Call, WatchOptions } from "../call.ts";
import type { Content, View } from "../resource-handler.ts";
import type { Bookmarks } from "../watch/bookmarks.ts";
import { bookmarkObject, type Watch, type WatchSink } from "../watch/watch.ts";
import type { EventStream } from "./event-stream.ts";
import type { Representation } from "./representation.ts";
import type { WatchPace } from "./watch-pace.ts";

/** Seconds. Watches without a timeout end after this long up to twice as long, so that they do not all come back at once. */
const shortestTimeout = 1800;

/** What watch streams need of the server. */
export interface StreamParts {
  clock: Clock;
  bookmarks: Bookmarks;
  pace: WatchPace;
  random(): number;
  /** The newest revision, for bookmarks. */
  revision(): number;
}

type EventType = "ADDED" | "MODIFIED" | "DELETED";
let last: { type: EventType; view: View; line: string } | undefined;

/** The JSON line of an event, the same text for all watchers that take objects as they are: they are told one after the other. */
function lineOf(type: EventType, view: View): string {
  if (last?.view !== view || last.type !== type) last = { type, view, line: `{"type":"${type}","object":${view.text}}\n` };
  return last.line;
}

/** Runs a watch, its events as lines of JSON or frames of protobuf, until the client goes or the time is over. */
export function streamWatch(
  parts: StreamParts,
  call: Call,
  options: WatchOptions,
  watch: Watch,
  { stream, representation }: { stream: EventStream; representation: Representation },
): void {
  let first = true;
  let told = 0;
  const event = (type: string, view: Content): void => {
    stream.write(representation.event(type, representation.eventObject(view, first)));
    first = false;
  };
  const sink: WatchSink = {
    event(type, view) {
      if (representation.plain) stream.write(lineOf(type, view));
      else event(type, view);
    },
    bookmark(revision, initialEnd) {
      told = revision;
      if (options.allowWatchBookmarks || initialEnd) event("BOOKMARK", { object: bookmarkObject(call, revision, initialEnd) });
    },
    failed(error: StatusError) {
      stream.write(representation.event("ERROR", error.status));
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
    stream.end();
  };
  stream.onClose(stop);
  const seconds = options.timeoutSeconds || shortestTimeout * (1 + parts.random());
  stops.push(parts.clock.after(seconds * 1000, end));
  if (options.allowWatchBookmarks)
    stops.push(
      parts.bookmarks.add(() => {
        const revision = parts.revision();
        if (revision > told && !watch.isBehind?.()) sink.bookmark(revision, false);
      }),
    );
  stops.push(watch.start(sink));
  stream.live();
  if (over || stream.closed) stop();
}
