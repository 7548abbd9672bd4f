import { type ClientHttp2Session, connect, constants } from "node:http2";
import { connect as connectSocket } from "node:net";
import { type Field, message, WireReader } from "../../api/schema/wire.ts";

/** What a plugin says of itself. */
export interface KmsStatus {
  version: string;
  /** "ok", or what is wrong. */
  healthz: string;
  /** The key that it encrypts with now. */
  keyId: string;
}

/** What a plugin made of a seed, and needs to give it back. */
export interface KmsSealed {
  ciphertext: Buffer;
  keyId: string;
  annotations: ReadonlyMap<string, Buffer>;
}

/** Calls a KMS plugin: the service v2.KeyManagementService by gRPC over a unix socket. Calls reject with an Error in one line. */
export class KmsClient {
  private readonly socket: string;
  private readonly timeout: number;
  private session: ClientHttp2Session | undefined;

  /** The socket's path; how long a call may take, in milliseconds. */
  constructor(socket: string, timeout: number) {
    this.socket = socket;
    this.timeout = timeout;
  }

  async status(): Promise<KmsStatus> {
    const fields = readFields(await this.call("Status", []));
    return { version: textOf(fields, 1), healthz: textOf(fields, 2), keyId: textOf(fields, 3) };
  }

  async encrypt(plaintext: Buffer, uid: string): Promise<KmsSealed> {
    const fields = readFields(
      await this.call("Encrypt", [
        [1, plaintext],
        [2, uid],
      ]),
    );
    return { ciphertext: bytesOf(fields, 1), keyId: textOf(fields, 2), annotations: annotationsOf(fields, 3) };
  }

  async decrypt({ ciphertext, keyId, annotations }: KmsSealed, uid: string): Promise<Buffer> {
    const fields: Field[] = [[1, ciphertext], [2, uid], [3, keyId], ...annotationFields(4, annotations)];
    return bytesOf(readFields(await this.call("Decrypt", fields)), 1);
  }

  close(): void {
    this.session?.close();
  }

  private async call(method: string, fields: readonly Field[]): Promise<Buffer> {
    const body = message(fields);
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(body.length, 1);
    const stream = this.connected().request({
      ":method": "POST",
      ":scheme": "http",
      ":authority": "localhost",
      ":path": `/v2.KeyManagementService/${method}`,
      "content-type": "application/grpc",
      te: "trailers",
    });
    let status = "";
    const told = (headers: Record<string, string | string[] | number | undefined>): void => {
      const code = headers["grpc-status"];
      if (code !== undefined) status = code === "0" ? "ok" : `code ${code}: ${decodeURIComponent(String(headers["grpc-message"] ?? ""))}`;
    };
    stream.on("response", told).on("trailers", told);
    stream.setTimeout(this.timeout, () => stream.destroy(new Error(`no answer within ${this.timeout} ms`)));
    stream.end(Buffer.concat([frame, body]));
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of stream) chunks.push(chunk);
      if (status !== "ok") throw new Error(status || "the connection was closed");
      return Buffer.concat(chunks).subarray(5);
    } catch (error) {
      const reason = error instanceof Error && error.cause ? error.cause : error;
      throw new Error(`${method} of the KMS plugin at ${this.socket} failed: ${reason instanceof Error ? reason.message : reason}`);
    }
  }

  private connected(): ClientHttp2Session {
    if (this.session && !this.session.closed && !this.session.destroyed) return this.session;
    const session = connect("http://localhost", { createConnection: () => connectSocket(this.socket) });
    // Each call is told by itself.
    session.on("error", () => {});
    session.on("goaway", (code) => code !== constants.NGHTTP2_NO_ERROR && session.destroy());
    session.unref();
    this.session = session;
    return session;
  }
}

/** Fields of annotations: a map from texts to bytes. */
export function annotationFields(number: number, annotations: ReadonlyMap<string, Buffer>): Field[] {
  return [...annotations].map(([key, value]) => [
    number,
    message([
      [1, key],
      [2, value],
    ]),
  ]);
}

/** All length-delimited fields of a message, by their numbers, and plain numbers as their decimal text. */
export function readFields(bytes: Buffer): Map<number, Buffer[]> {
  const fields = new Map<number, Buffer[]>();
  for (const reader = new WireReader(bytes); reader.pos < reader.end; ) {
    const tag = reader.tag();
    const values = fields.get(tag >> 3) ?? [];
    if ((tag & 7) === 2) values.push(reader.bytes());
    else if ((tag & 7) === 0) values.push(Buffer.from(String(reader.varint())));
    else reader.skipField(tag & 7);
    fields.set(tag >> 3, values);
  }
  return fields;
}

export function bytesOf(fields: Map<number, Buffer[]>, number: number): Buffer {
  return fields.get(number)?.at(-1) ?? Buffer.alloc(0);
}

export function textOf(fields: Map<number, Buffer[]>, number: number): string {
  return bytesOf(fields, number).toString();
}

export function annotationsOf(fields: Map<number, Buffer[]>, number: number): Map<string, Buffer> {
  return new Map((fields.get(number) ?? []).map(readFields).map((entry) => [textOf(entry, 1), bytesOf(entry, 2)]));
}
