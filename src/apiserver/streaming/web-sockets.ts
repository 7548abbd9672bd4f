import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import { badRequest } from "../../api/errors.ts";
import { bearerProtocol } from "../authentication/bearer-token.ts";

/** A client that wants to upgrade its connection. */
export interface UpgradeRequest {
  request: IncomingMessage;
  socket: Duplex;
  head: Buffer;
}

/** So much may wait to be sent to a slow reader before the other side is made to wait, too. */
const highWaterMark = 1 << 20;

const server = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 0, handleProtocols: () => false });

/** What the connection is to become: "websocket", "spdy/3.1", ...; "" when it is to stay what it is. */
export function upgradeOf({ headers }: IncomingMessage): string {
  return headers.upgrade?.toLowerCase() ?? "";
}

/** The subprotocols that the client names, but for the one that carries its token. */
export function offeredProtocols({ headers }: IncomingMessage): string[] {
  const offered = headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim()) ?? [];
  return offered.filter((name) => !name.startsWith(bearerProtocol));
}

/** The subprotocol that both know, in the client's order; "" when the client names none that we know. */
export function chooseProtocol(request: IncomingMessage, known: readonly string[]): string {
  return offeredProtocols(request).find((name) => known.includes(name)) ?? "";
}

/** Accepts a WebSocket. It is paused: nothing is read before the caller listens and resumes it. Rejects when the handshake is none. */
export function acceptWebSocket({ request, socket, head }: UpgradeRequest, protocol: string): Promise<WebSocket> {
  const acceptor =
    protocol === ""
      ? server
      : new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 0, handleProtocols: () => protocol });
  return new Promise((resolve, reject) => {
    socket.once("close", () => reject(badRequest("the WebSocket handshake has failed")));
    acceptor.handleUpgrade(request, socket, head, (accepted) => {
      accepted.pause();
      // Errors end in a close, which is what everybody listens for.
      accepted.on("error", () => {});
      resolve(accepted);
    });
  });
}

/** The bytes of a message. */
export function bytesOf(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}

/** Sends a message. Returns a promise when too much is waiting already: it resolves when this one has gone. */
export function sendMessage(to: WebSocket, data: Buffer | string): Promise<void> | undefined {
  if (to.readyState !== to.OPEN) return undefined;
  if (to.bufferedAmount < highWaterMark) {
    to.send(data, () => {});
    return undefined;
  }
  return new Promise((resolve) => to.send(data, () => resolve()));
}

/** Holds a WebSocket back as long as anything that it gave has not been taken. */
export class Brake {
  private readonly source: WebSocket;
  private waiting = 0;

  constructor(source: WebSocket) {
    this.source = source;
  }

  until(taken: Promise<void> | undefined): void {
    if (!taken) return;
    if (this.waiting++ === 0) this.source.pause();
    void taken.then(() => {
      if (--this.waiting === 0) this.source.resume();
    });
  }
}
