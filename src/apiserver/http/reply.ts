import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { internalError, StatusError } from "../../api/errors.ts";
import type { Logger } from "../../lib/log.ts";
import { StoreFailed } from "../../store/store.ts";

/** One request's way to answer: headers, warnings, errors. */
export class Responder {
  readonly response: ServerResponse;
  private readonly auditId: string;
  private readonly warnings: string[] = [];

  constructor(response: ServerResponse, auditId: string) {
    this.response = response;
    this.auditId = auditId;
  }

  /** Shows the client a warning: a header, if the answer has not begun yet. */
  readonly warn = (message: string): void => {
    if (!this.warnings.includes(message)) this.warnings.push(message);
  };

  headers(contentType: string): OutgoingHttpHeaders {
    const headers: OutgoingHttpHeaders = {
      "Audit-Id": this.auditId,
      "Cache-Control": "no-cache, private",
      "Content-Type": contentType,
    };
    if (this.warnings.length > 0) headers.Warning = this.warnings.map((text) => `299 - ${quoted(text)}`);
    return headers;
  }

  /** Answers with a text. */
  text(code: number, contentType: string, text: string | Buffer): void {
    const body = typeof text === "string" ? Buffer.from(text) : text;
    const headers = this.headers(contentType);
    headers["Content-Length"] = body.length;
    this.response.writeHead(code, headers);
    this.response.end(body);
  }

  /** Answers with a Status; nothing when an answer has begun already. */
  error(error: StatusError): void {
    if (this.response.headersSent) {
      this.response.destroy();
      return;
    }
    const { retryAfterSeconds } = error.status.details ?? {};
    if (retryAfterSeconds) this.response.setHeader("Retry-After", String(retryAfterSeconds));
    this.text(error.code, "application/json", `${JSON.stringify(error.status)}\n`);
  }
}

/** Any error as one that may be shown; unexpected ones are logged here, once, with their stack. */
export function statusErrorOf(error: unknown, log: Logger, what: string): StatusError {
  if (error instanceof StatusError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof StoreFailed) log.error({ what }, message);
  else log.error({ what, error: error instanceof Error ? error.stack : message }, "a request failed unexpectedly");
  return internalError(message);
}

/** A header's quoted text: control characters have no place in it. */
function quoted(text: string): string {
  const plain = [...text].map((char) => (char.charCodeAt(0) < 32 || char.charCodeAt(0) > 126 ? " " : char)).join("");
  return `"${plain.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
