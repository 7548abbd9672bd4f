import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { type EventStream, type Line, unreadLimit } from "./event-stream.ts";
import type { Paced, WatchPace } from "./watch-pace.ts";

const chunkEnd = Buffer.from("\r\n");

/** About how many characters go to the socket at once. */
const pieceLength = 64 * 1024;

/**
 * The lines of one watch on their way to a client, in HTTP chunks that are framed here: their bytes are made once for all clients that
 * get the same lines, and Node would send the head of each chunk in a TLS record of its own. What a slow client has not read waits as the
 * texts that all share, not as bytes.
 */
export class LineStream implements EventStream, Paced {
  private readonly response: ServerResponse;
  private readonly pace: WatchPace;
  /** Undefined where chunks are left to Node: for HTTP/1.0, and behind another answer on the same connection. */
  private readonly socket: Socket | undefined;
  private lines: Line[] = [];
  /** The first line that has not been sent. */
  private next = 0;
  /** Characters not sent yet, and those among them that came before `live`. */
  private unread = 0;
  private initial = 0;
  private isLive = false;

  /** The response's head must have been written. */
  constructor(response: ServerResponse, pace: WatchPace) {
    this.response = response;
    this.pace = pace;
    if (response.socket && response.chunkedEncoding && response.req.method !== "HEAD") this.socket = response.socket;
    const flush = (): void => void this.flush();
    this.socket?.on("drain", flush);
    response.on("close", () => {
      this.socket?.off("drain", flush);
      this.lines = [];
    });
  }

  get closed(): boolean {
    return this.response.destroyed;
  }

  onClose(call: () => void): void {
    this.response.on("close", call);
  }

  live(): void {
    this.isLive = true;
    this.initial = this.unread;
  }

  write(line: Line): void {
    this.lines.push(line);
    this.unread += line.length;
    if (this.isLive && this.unread - this.initial > unreadLimit) this.response.destroy();
    else this.pace.wake(this);
  }

  flush(): boolean {
    let sent = false;
    while (this.next < this.lines.length && !this.response.destroyed && !this.socket?.writableNeedDrain) {
      this.send();
      sent = true;
    }
    return sent;
  }

  end(): void {
    while (this.next < this.lines.length && !this.response.destroyed) this.send();
    this.response.end();
  }

  private send(): void {
    const { lines, next, socket } = this;
    let end = next;
    let length = 0;
    while (end < lines.length && length < pieceLength) length += lines[end++]?.length ?? 0;
    const isAll = end === lines.length;
    const piece = isAll && next === 0 ? lines : lines.slice(next, end);
    this.lines = isAll ? [] : lines;
    this.next = isAll ? 0 : end;
    this.unread -= length;
    this.initial = Math.max(0, this.initial - length);
    if (socket) socket.write(chunkOf(piece));
    else this.response.write(bytesOf(piece));
  }
}

let last: { lines: readonly Line[]; chunk: Buffer } = { lines: [], chunk: Buffer.alloc(0) };

/** The HTTP chunk of these lines. Watchers of the same things ask for the same one after the other. */
function chunkOf(lines: readonly Line[]): Buffer {
  if (lines.length !== last.lines.length || lines.some((line, i) => line !== last.lines[i])) {
    const content = bytesOf(lines);
    const head = `${Buffer.byteLength(content).toString(16)}\r\n`;
    const chunk =
      typeof content === "string" ? Buffer.from(`${head}${content}\r\n`) : Buffer.concat([Buffer.from(head), content, chunkEnd]);
    last = { lines, chunk };
  }
  return last.chunk;
}

/** Lines of one stream are all of one kind. */
function bytesOf(lines: readonly Line[]): Line {
  const frames = lines.filter((line) => typeof line !== "string");
  return frames.length > 0 ? Buffer.concat(frames) : lines.join("");
}
