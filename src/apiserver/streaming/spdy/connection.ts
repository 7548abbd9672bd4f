import { Duplex } from "node:stream";
import { HeaderReader, HeaderWriter } from "./header-block.ts";

/** Control frames (SPDY/3.1, section 2.6). */
const type = { synStream: 1, synReply: 2, reset: 3, ping: 6, goAway: 7 } as const;
const fin = 1;
const maxFrame = 2 ** 24 - 1;
const cancel = 5;
const maxControlFrame = 256 * 1024;

/** One stream of a SPDY connection: bytes both ways, and the headers that say what it is for. */
export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: ReadonlyMap<string, string>;
  private readonly connection: SpdyConnection;
  private wake: (() => void) | undefined;
  private draining: Promise<void> | undefined;
  private ended = { read: false, write: false };

  constructor(connection: SpdyConnection, id: number, headers: ReadonlyMap<string, string>) {
    super({ allowHalfOpen: true });
    this.id = id;
    this.headers = headers;
    this.connection = connection;
    this.on("error", () => {});
  }

  /** Takes data that has come. Resolves when more is wanted. */
  async receive(data: Buffer, last: boolean): Promise<void> {
    if (this.destroyed || this.ended.read) return;
    const more = data.length === 0 || this.push(data);
    if (last) {
      this.ended.read = true;
      this.push(null);
    } else if (!more) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  /** Resolves when what was written has gone out, or the stream is closed. */
  drained(): Promise<void> {
    this.draining ??= new Promise((resolve) => {
      const done = (): void => {
        this.draining = undefined;
        this.off("drain", done).off("close", done);
        resolve();
      };
      this.on("drain", done).on("close", done);
    });
    return this.draining;
  }

  override _read(): void {
    this.wake?.();
    this.wake = undefined;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.connection.send(this.id, chunk, false, callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.ended.write = true;
    this.connection.send(this.id, Buffer.alloc(0), true, callback);
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    if (!this.ended.write || !this.ended.read) this.connection.reset(this.id);
    this.connection.forget(this.id);
    this._read();
    callback(error);
  }
}

/**
 * One side of a SPDY/3.1 connection over any byte stream: what kubectl exec, attach and port-forward speak. There is no flow control
 * beyond the byte stream's own: Go's implementation, the one that clients have, has none either. Closes when the byte stream does.
 */
export class SpdyConnection {
  private readonly transport: Duplex;
  private readonly streams = new Map<number, SpdyStream>();
  private readonly reader = new HeaderReader();
  private readonly writer = new HeaderWriter();
  private readonly accept: ((stream: SpdyStream) => void) | undefined;
  private nextId: number;
  /** Resolves when the connection has ended, well or not. */
  readonly closed: Promise<void>;

  /** A server accepts streams, a client opens them. */
  constructor(transport: Duplex, accept?: (stream: SpdyStream) => void) {
    this.transport = transport;
    this.accept = accept;
    this.nextId = accept ? 2 : 1;
    transport.on("error", () => transport.destroy());
    this.closed = this.run().finally(() => this.end());
  }

  /** Opens a stream. */
  open(headers: Readonly<Record<string, string>>): SpdyStream {
    const stream = new SpdyStream(this, this.nextId, new Map(Object.entries(headers)));
    this.nextId += 2;
    this.streams.set(stream.id, stream);
    const head = Buffer.alloc(10);
    head.writeUInt32BE(stream.id, 0);
    this.control(type.synStream, 0, head, this.writer.write(headers));
    return stream;
  }

  /** Says goodbye and closes what is below. Streams still open are cut off. */
  close(): void {
    if (!this.transport.writable) {
      this.end();
      return;
    }
    this.control(type.goAway, 0, Buffer.alloc(8));
    this.transport.end();
    // The other side ends its direction when it has read ours; what it still sends is of no use.
    this.transport.resume();
  }

  /** Sends a data frame; for streams only. */
  send(id: number, data: Buffer, last: boolean, callback: (error?: Error | null) => void): void {
    if (!this.transport.writable) {
      callback(new Error("the connection is closed"));
      return;
    }
    for (let at = 0; ; at += maxFrame) {
      const part = data.subarray(at, at + maxFrame);
      const isLast = at + maxFrame >= data.length;
      const head = Buffer.alloc(8);
      head.writeUInt32BE(id, 0);
      head.writeUInt32BE((isLast && last ? fin * 2 ** 24 : 0) + part.length, 4);
      this.transport.cork();
      this.transport.write(head);
      if (!isLast) this.transport.write(part);
      else this.transport.write(part, (error) => callback(error));
      this.transport.uncork();
      if (isLast) return;
    }
  }

  /** Cuts a stream off; for streams only. */
  reset(id: number): void {
    if (!this.transport.writable || !this.streams.has(id)) return;
    const body = Buffer.alloc(8);
    body.writeUInt32BE(id, 0);
    body.writeUInt32BE(cancel, 4);
    this.control(type.reset, 0, body);
  }

  /** The stream is closed; for streams only. */
  forget(id: number): void {
    this.streams.delete(id);
  }

  private end(): void {
    for (const stream of [...this.streams.values()]) stream.destroy();
    this.transport.destroy();
    this.reader.close();
  }

  private control(kind: number, flags: number, ...parts: Buffer[]): void {
    const body = Buffer.concat(parts);
    const head = Buffer.alloc(8);
    head.writeUInt16BE(0x8003, 0);
    head.writeUInt16BE(kind, 2);
    head.writeUInt32BE(flags * 2 ** 24 + body.length, 4);
    this.transport.write(Buffer.concat([head, body]));
  }

  /** Reads frames until the byte stream ends. What is no SPDY ends it. */
  private async run(): Promise<void> {
    let pending: Buffer[] = [];
    let size = 0;
    let wanted = 8;
    try {
      for await (const chunk of this.transport) {
        pending.push(chunk);
        size += chunk.length;
        if (size < wanted) continue;
        let data = pending.length === 1 ? chunk : Buffer.concat(pending);
        for (wanted = 8; data.length >= wanted; wanted = 8) {
          wanted = 8 + (data.readUInt32BE(4) & maxFrame);
          if (data.length < wanted) break;
          await this.frame(data.subarray(0, 8), data.subarray(8, wanted));
          data = data.subarray(wanted);
        }
        if (data.length >= 8 && (data[0] & 0x80) !== 0 && wanted > maxControlFrame) return;
        pending = [data];
        size = data.length;
      }
    } catch {
      // The other side is gone, or speaks something else: closed is all that matters.
    }
  }

  private async frame(head: Buffer, body: Buffer): Promise<void> {
    const first = head.readUInt32BE(0);
    const flags = head.readUInt8(4);
    if ((first & 0x80000000) === 0) {
      await this.streams.get(first)?.receive(body, (flags & fin) !== 0);
      return;
    }
    switch (first & 0xffff) {
      case type.synStream:
        return this.opened(body.readUInt32BE(0) & 0x7fffffff, await this.reader.read(body.subarray(10)), (flags & fin) !== 0);
      case type.synReply:
        // Read for the compression's state only.
        await this.reader.read(body.subarray(4));
        return;
      case type.reset:
        this.streams.get(body.readUInt32BE(0) & 0x7fffffff)?.destroy();
        return;
      case type.ping:
        // Our own pings, of the other parity, do not exist.
        return this.control(type.ping, 0, body);
      default:
        // SETTINGS, HEADERS, WINDOW_UPDATE, GOAWAY: nothing to do. After a GOAWAY the byte stream ends.
        return;
    }
  }

  private async opened(id: number, headers: Map<string, string>, last: boolean): Promise<void> {
    if (!this.accept) return;
    const stream = new SpdyStream(this, id, headers);
    this.streams.set(id, stream);
    const head = Buffer.alloc(4);
    head.writeUInt32BE(id, 0);
    this.control(type.synReply, 0, head, this.writer.write({}));
    if (last) await stream.receive(Buffer.alloc(0), true);
    this.accept(stream);
  }
}
