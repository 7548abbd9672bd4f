import type { IncomingMessage } from "node:http";

/** Bytes above which a body is compressed. */
export const compressedAbove = 128 * 1024;
/** The cheapest; upstream has the same. */
export const compression = { level: 1 };
/** Of compressed answers. */
export const compressionHeaders = ["Content-Encoding", "gzip", "Vary", "Accept-Encoding"];

/** Whether to compress a long answer: the client takes it, and is not on this machine, where nothing is gained by it. */
export function wantsGzip({ headers, socket }: IncomingMessage): boolean {
  if (socket.remoteAddress === socket.localAddress) return false;
  const accepted = String(headers["accept-encoding"] ?? "").split(",");
  return accepted.some((coding) => /^\s*gzip\s*(;(?!\s*q=0(\.0*)?\s*$)|$)/.test(coding));
}
