import type { IncomingMessage } from "node:http";
import { badRequest, tooLarge } from "../../api/errors.ts";

/** Bytes. As much as upstream takes. */
const limit = 3 * 1024 * 1024;

const empty = Buffer.alloc(0);

/** The request's whole body. Throws tooLarge without reading the rest. */
export function readBody(request: IncomingMessage): Promise<Buffer> {
  // One without a body has ended before it began.
  if (request.readableEnded) return Promise.resolve(empty);
  const refusal = (): Error => tooLarge(`Request entity too large: limit is ${limit}`);
  if (Number(request.headers["content-length"] ?? 0) > limit) return Promise.reject(refusal());
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) {
        request.pause();
        reject(refusal());
      } else chunks.push(chunk);
    });
    request.on("end", () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    request.on("error", (error) => reject(badRequest(error.message)));
  });
}
