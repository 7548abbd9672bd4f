import { text as body } from "node:stream/consumers";
import { formatTime, parseLongDuration } from "../api/meta/time.ts";
import { ask, type Server } from "./connection.ts";
import { UsageError } from "./usage-error.ts";

/**
 * The moment as one that does not go on with the clock: what is so long ago becomes a time of the server's clock. Rejects with UsageError
 * when the server cannot show it.
 */
export async function fixedMoment(server: Server, given: string): Promise<string> {
  const ago = /^\d+$/.test(given) ? undefined : parseLongDuration(given);
  const now = ago === undefined ? 0 : Date.parse((await ask(server, "/version")).resume().headers.date ?? "");
  const moment = ago === undefined ? given : formatTime(now - ago);
  await getJson(server, `/api/v1/namespaces/default?hue.at=${encodeURIComponent(moment)}`, [403, 404, 405]);
  return moment;
}

/** What a GET answers; undefined when the answer has one of the codes that are to be expected. Rejects with what the server says. */
export async function getJson<T>(
  server: Server,
  path: string,
  expected: readonly number[] = [],
  accept = "application/json",
): Promise<T | undefined> {
  const answer = await ask(server, path, { accept });
  const text = await body(answer);
  if (answer.statusCode === 200) return JSON.parse(text) as T; // What a server answers to this path.
  if (expected.includes(answer.statusCode ?? 0)) return undefined;
  let message = text;
  try {
    message = JSON.parse(text).message;
  } catch {}
  throw new UsageError(message.replace(/^hue\.at: /, ""), 1);
}
