import type { OutgoingHttpHeader, ServerResponse } from "node:http";
import type { Writable } from "node:stream";
import { createGzip, gzip } from "node:zlib";
import { encodeProtobuf, protobufType } from "../../api/codec/protobuf.ts";
import { badRequest, internalError, StatusError } from "../../api/errors.ts";
import type { Logger } from "../../lib/log.ts";
import { currentAudit } from "../audit/current.ts";
import { compressedAbove, compression, compressionHeaders, wantsGzip } from "./compression.ts";
import { StoreFailed } from "../../store/store.ts";

/** After so many pieces of a list others get their turn. */
const piecesAtOnce = 4;

/** One request's way to answer: headers, warnings, errors. */
export class Responder {
  readonly response: ServerResponse;
  private readonly auditId: string;
  private readonly warnings: string[] = [];
  /** Headers of every answer to this request beside those of `headers`: names and values one after the other. */
  more: readonly string[] = [];

  constructor(response: ServerResponse, auditId: string) {
    this.response = response;
    this.auditId = auditId;
  }

  /** Shows the client a warning: a header, if the answer has not begun yet. */
  readonly warn = (message: string): void => {
    if (!this.warnings.includes(message)) this.warnings.push(message);
  };

  /** Names and values one after the other. */
  headers(contentType: string): OutgoingHttpHeader[] {
    const headers: OutgoingHttpHeader[] = ["Audit-Id", this.auditId, "Cache-Control", "no-cache, private", "Content-Type", contentType];
    if (this.more.length > 0) headers.push(...this.more);
    if (this.warnings.length > 0)
      headers.push(
        "Warning",
        this.warnings.map((text) => `299 - ${quoted(text)}`),
      );
    return headers;
  }

  /** Answers with a text, or bytes. `more` are further headers: names and values one after the other. */
  text(code: number, contentType: string, text: string | Buffer, more: readonly OutgoingHttpHeader[] = []): void {
    const length = Buffer.byteLength(text);
    if (length > compressedAbove && wantsGzip(this.response.req)) return void this.compressed(code, contentType, text, more);
    const headers = this.headers(contentType);
    if (code !== 304) headers.push("Content-Length", length);
    if (more.length > 0) headers.push(...more);
    this.response.writeHead(code, headers);
    // With a string Node writes head and body as one; one byte a character is the cheapest way to bytes.
    this.response.end(text, length === text.length ? "latin1" : "utf8");
  }

  /**
   * Answers 200 with a text that comes in pieces, each made when the one before has been taken: a long list is never in memory as a whole.
   * A client that reads as fast as this writes would leave other requests no turn of the event loop: now and then they get one.
   */
  async pieces(contentType: string, pieces: Iterable<string | Buffer>): Promise<void> {
    let last: string | Buffer | undefined;
    let sent = 0;
    let out: Writable | undefined;
    for (const piece of pieces) {
      if (last !== undefined) {
        out ??= this.begin(contentType, last.length + piece.length);
        if (!out.write(last, encodingOf(last))) await drained(out);
        if (++sent % piecesAtOnce === 0) await new Promise(setImmediate);
        if (this.response.destroyed) return;
      }
      last = piece;
    }
    if (out) out.end(last, encodingOf(last));
    else this.text(200, contentType, last ?? "");
  }

  /** Where to write the pieces of an answer that has at least that many bytes. */
  private begin(contentType: string, length: number): Writable {
    const { response } = this;
    const headers = this.headers(contentType);
    if (length <= compressedAbove || !wantsGzip(response.req)) return response.writeHead(200, headers);
    response.writeHead(200, [...headers, ...compressionHeaders]);
    const gzip = createGzip(compression);
    gzip.pipe(response).on("close", () => gzip.destroy());
    return gzip;
  }

  /** Compressed beside the event loop. */
  private compressed(code: number, contentType: string, text: string | Buffer, more: readonly OutgoingHttpHeader[]): void {
    gzip(text, compression, (error, body) => {
      if (error) this.response.destroy(error);
      else if (!this.response.destroyed) {
        const headers = [...this.headers(contentType), ...compressionHeaders, "Content-Length", body.length, ...more];
        this.response.writeHead(code, headers).end(body);
      }
    });
  }

  /** Answers with a Status; nothing when an answer has begun already. */
  error(error: StatusError): void {
    if (this.response.headersSent) {
      this.response.destroy();
      return;
    }
    const { retryAfterSeconds } = error.status.details ?? {};
    const more = retryAfterSeconds ? ["Retry-After", retryAfterSeconds] : [];
    // Clients that speak protobuf prefer it, and put it first.
    if (this.response.req.headers.accept?.startsWith(protobufType)) this.text(error.code, protobufType, encodeProtobuf(error.status), more);
    else this.text(error.code, "application/json", `${JSON.stringify(error.status)}\n`, more);
  }
}

/** One byte a character is the cheapest way to bytes, where there are no others. */
function encodingOf(text: string | Buffer | undefined): "latin1" | "utf8" {
  return typeof text === "string" && Buffer.byteLength(text) === text.length ? "latin1" : "utf8";
}

/** Resolves when more can be written, or nothing any more. */
function drained(response: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
  });
}

/** Any error as one that may be shown: what nests too deeply for the stack is the client's to change; unexpected ones are logged here, once, with their stack. */
export function statusErrorOf(error: unknown, log: Logger, what: string): StatusError {
  if (error instanceof StatusError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof RangeError && message === "Maximum call stack size exceeded") return badRequest("exceeded max depth");
  currentAudit()?.panicked(message);
  if (error instanceof StoreFailed) log.error({ what }, message);
  else log.error({ what, error: error instanceof Error ? error.stack : message }, "a request failed unexpectedly");
  return internalError(message);
}

/** A header's quoted text: control characters have no place in it. */
function quoted(text: string): string {
  const plain = [...text].map((char) => (char.charCodeAt(0) < 32 || char.charCodeAt(0) > 126 ? " " : char)).join("");
  return `"${plain.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
