import type { WebSocket } from "ws";
import { type EventStream, type Line, unreadLimit } from "./event-stream.ts";

/** Bytes before an event in protobuf that say how long it is; a message knows that by itself. */
const lengthPrefix = 4;

/** The events of one watch as messages of a WebSocket: JSON as text, protobuf as bytes. What the client sends is not looked at. */
export class MessageStream implements EventStream {
  private readonly socket: WebSocket;
  private limit = Number.POSITIVE_INFINITY;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.resume();
  }

  get closed(): boolean {
    return this.socket.readyState !== this.socket.OPEN;
  }

  onClose(call: () => void): void {
    this.socket.on("close", call);
  }

  live(): void {
    this.limit = this.socket.bufferedAmount + unreadLimit;
  }

  write(line: Line): void {
    if (this.socket.bufferedAmount > this.limit) this.socket.terminate();
    else this.socket.send(typeof line === "string" ? line : line.subarray(lengthPrefix));
  }

  end(): void {
    this.socket.close(1000);
  }
}
