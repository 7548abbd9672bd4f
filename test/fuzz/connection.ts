import { connect, type TLSSocket } from "node:tls";

/** Bytes to send on a connection, and what may come back. */
export interface Shape {
  /** Of the generator: "patch", "smuggling". */
  family: string;
  /** Sent one after the other, with a pause between them. */
  parts: readonly Buffer[];
  /** Answers that the client waits for; after a refusal the server may close. */
  answers: number;
  /** How the client ends: it stays (the default), closes its side, or breaks off without waiting for an answer. */
  end?: "half-close" | "break";
  /** The answer has no end: its head is enough (watches, upgrades). */
  endless?: boolean;
  /** The answer to HEAD has no body. */
  bodiless?: boolean;
  /** No answer is needed: what was sent is no whole request, and the server may just close. */
  unanswered?: boolean;
}

/** What came back: the codes of the answers, how the connection ended, and the last answer's body. */
export interface Outcome {
  codes: number[];
  ended: "answered" | "closed" | "silent";
  body: string;
}

/** One connection to the server at a time, made anew when the last one cannot be used again. */
export class Connection {
  private readonly port: number;
  private readonly patience: number;
  private socket: TLSSocket | undefined;

  /** `patience`: milliseconds after which a server that says nothing is one that hangs. */
  constructor(port: number, patience: number) {
    this.port = port;
    this.patience = patience;
  }

  /** Sends the shape and gives what came back. Never throws for what the server does. */
  async send(shape: Shape): Promise<Outcome> {
    const kept = this.socket;
    const socket = kept && !kept.destroyed && kept.writable ? kept : await this.open();
    const outcome = await exchange(socket, shape, this.patience);
    const reusable = outcome.ended === "answered" && shape.answers === 1 && !shape.endless && !shape.end && !shape.unanswered;
    this.socket = reusable && !outcome.closing ? socket : undefined;
    if (!this.socket) socket.destroy();
    return outcome;
  }

  close(): void {
    this.socket?.destroy();
  }

  private open(): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port: this.port, rejectUnauthorized: false }, () => {
        socket.off("error", reject);
        socket.on("error", () => socket.destroy());
        resolve(socket);
      });
      socket.setNoDelay(true);
      socket.once("error", reject);
      const late = setTimeout(() => socket.destroy(new Error("hangs: no connection")), this.patience);
      socket.once("secureConnect", () => clearTimeout(late)).once("close", () => clearTimeout(late));
    });
  }
}

async function exchange(socket: TLSSocket, shape: Shape, patience: number): Promise<Outcome & { closing: boolean }> {
  const reader = new AnswerReader(shape);
  const { promise, resolve } = Promise.withResolvers<Outcome["ended"]>();
  const read = (data: Buffer): void => {
    if (reader.take(data)) resolve("answered");
  };
  const closed = (): void => resolve("closed");
  const timer = setTimeout(() => resolve("silent"), patience);
  socket.on("data", read).on("close", closed).on("end", closed);
  for (const [i, part] of shape.parts.entries()) {
    if (i > 0) await new Promise((done) => setTimeout(done, 5));
    if (socket.destroyed) break;
    socket.write(part);
  }
  if (shape.end === "half-close") socket.end();
  if (shape.end === "break") resolve("closed");
  const ended = await promise;
  clearTimeout(timer);
  socket.off("data", read).off("close", closed).off("end", closed);
  return {
    codes: reader.codes,
    body: reader.body,
    ended: reader.codes.length >= shape.answers ? "answered" : ended,
    closing: reader.closing,
  };
}

/** Reads answers of HTTP/1.1: heads, and bodies by length, chunks or the connection's end. */
class AnswerReader {
  readonly codes: number[] = [];
  body = "";
  closing = false;
  private readonly shape: Shape;
  private buffer: Buffer = Buffer.alloc(0);

  constructor(shape: Shape) {
    this.shape = shape;
  }

  /** Whether all answers are there. */
  take(data: Buffer): boolean {
    this.buffer = this.buffer.length === 0 ? data : Buffer.concat([this.buffer, data]);
    while (this.codes.length < this.shape.answers && this.next());
    return this.codes.length >= this.shape.answers;
  }

  private next(): boolean {
    const end = this.buffer.indexOf("\r\n\r\n");
    if (end < 0) return false;
    const head = this.buffer.toString("latin1", 0, end);
    const code = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 999);
    if (/^connection: *close/im.test(head)) this.closing = true;
    const start = end + 4;
    if (code === 100) {
      this.buffer = this.buffer.subarray(start);
      return true;
    }
    const size = this.bodySize(head, code, start);
    if (size === undefined) return false;
    this.body = this.buffer.toString("utf8", start, Math.min(start + size, start + 4096));
    this.buffer = this.buffer.subarray(start + size);
    this.codes.push(code);
    return true;
  }

  /** Bytes of the body with its framing; undefined when it is not there as a whole. */
  private bodySize(head: string, code: number, start: number): number | undefined {
    const { endless, bodiless } = this.shape;
    if (bodiless || endless || code === 204 || code === 304 || code === 101) return 0;
    const length = /^content-length: *(\d+)/im.exec(head)?.[1];
    if (length !== undefined) return this.buffer.length - start >= Number(length) ? Number(length) : undefined;
    if (!/^transfer-encoding: *chunked/im.test(head)) return 0;
    for (let at = start; ; ) {
      const line = this.buffer.indexOf("\r\n", at);
      if (line < 0) return undefined;
      const chunk = Number.parseInt(this.buffer.toString("latin1", at, line), 16);
      at = line + 2 + chunk + 2;
      if (this.buffer.length < at) return undefined;
      if (chunk === 0) return at - start;
    }
  }
}
