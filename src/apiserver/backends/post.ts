import type { IncomingMessage } from "node:http";
import { type RequestOptions, request as httpsRequest } from "node:https";
import { text } from "node:stream/consumers";

/** The answer to a POST. */
export interface Answer {
  code: number;
  body: string;
  /** In seconds, where the server asks for it. */
  retryAfter?: number;
}

/** Posts over HTTPS. Once more when a kept connection turns out to be closed: the server has not seen the request then. */
export async function post(options: RequestOptions, body: string, again = true): Promise<Answer> {
  let reused = false;
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = { ...options.headers, "Content-Length": Buffer.byteLength(body) };
      const request = httpsRequest({ ...options, method: "POST", headers }, resolve);
      request.on("error", (error) => {
        reused = request.reusedSocket;
        reject(error);
      });
      request.end(body);
    });
    const retryAfter = Number(response.headers["retry-after"]);
    return { code: response.statusCode ?? 0, body: await text(response), ...(retryAfter > 0 ? { retryAfter } : {}) };
  } catch (error) {
    const isReset = error instanceof Error && "code" in error && (error.code === "ECONNRESET" || error.code === "EPIPE");
    if (again && reused && isReset) return post(options, body, false);
    throw error;
  }
}

/** An HTTP failure as client-go reads it. */
export function statusText({ code, body }: Answer): string {
  if (code === 404) return "the server could not find the requested resource";
  if (code === 403) return `forbidden: ${body.trim()}`;
  if (code >= 500) return `an error on the server (${JSON.stringify(body.trim() || "unknown")}) has prevented the request from succeeding`;
  return `the server responded with the status code ${code} but did not return more information`;
}
