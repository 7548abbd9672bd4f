import type { Pod } from "../../api/types/core.v1.ts";
import type { KubeletContext } from "../context.ts";

/** What the server serves from. */
export interface ServerContext extends KubeletContext {
  findPod(namespace: string, name: string): Pod | undefined;
  pods(): Pod[];
}

/** Tells the caller an HTTP status and a sentence. */
export class HTTPError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** A close reason holds at most 123 bytes. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return Buffer.from(text)
    .subarray(0, 120)
    .toString()
    .replace(/\uFFFD$/, "");
}
