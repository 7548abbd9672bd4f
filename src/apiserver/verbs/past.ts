import { badRequest, expired, methodNotAllowed } from "../../api/errors.ts";
import { formatTime, parseLongDuration, parseTime } from "../../api/meta/time.ts";
import { NotKept } from "../../store/past.ts";
import type { Call } from "../call.ts";
import { decodeContinue } from "../continue-token.ts";
import type { RequestPath } from "../request-path.ts";
import type { VerbContext } from "./context.ts";

/** The query parameter of gets and lists that asks for a past moment: a time, how long ago it is, or a revision. */
export const pastQuery = "hue.at";

/** Throws for whatever does not only read what is kept of the past; discovery and the like are those of now. */
export function checkReadsPast({ isResource, verb }: RequestPath, isElsewhere: boolean): void {
  if (isElsewhere) throw methodNotAllowed(`${pastQuery}: nothing is kept of the past of this: it is not read from the store`);
  if (isResource && verb === "watch") throw methodNotAllowed(`${pastQuery}: the past does not change: it can be read, but not watched`);
  if (isResource && verb !== "get" && verb !== "list") throw methodNotAllowed(`${pastQuery}: the past is read only`);
}

/** What the call reads of that moment, or of the one that a continue token belongs to. Rejects with badRequest, expired. */
export async function pastOf(
  { store, clock }: Pick<VerbContext, "store" | "clock">,
  call: Call,
  at: string,
  token: string | null,
): Promise<NonNullable<Call["past"]>> {
  const { handler, name } = call;
  if (handler.virtual) throw methodNotAllowed(`${pastQuery}: nothing is kept of the past of ${handler.info.plural}: they are not stored`);
  const namespace = call.namespace || (name ? "" : undefined);
  try {
    const moment = momentOf(store, clock.now(), at);
    const continued = token ? decodeContinue(token, call.namespace).revision : 0;
    const revision = continued > 0 ? continued : moment.revision();
    const states = await store.past.at(revision, { resource: handler.storage, namespace, name: name || undefined });
    const time = moment.time ?? store.past.timeOf(revision) ?? clock.now();
    return { store: states, clock: { now: () => time } };
  } catch (error) {
    if (!(error instanceof NotKept)) throw error;
    const since = error.oldest === undefined ? "now on" : `${formatTime(error.oldest)} on`;
    throw expired(`${pastQuery}: ${JSON.stringify(at)} is too long ago: the past is kept from ${since}`);
  }
}

/** What was asked for: its time, unless that is the revision's, and its revision. */
function momentOf(store: VerbContext["store"], now: number, at: string): { time?: number; revision(): number } {
  if (/^\d+$/.test(at)) {
    const revision = Number(at);
    if (revision > store.revision) throw badRequest(`${pastQuery}: revision ${at} is in the future: the newest one is ${store.revision}`);
    return { revision: () => revision };
  }
  const ago = parseLongDuration(at);
  const time = ago === undefined ? parseTime(at) : now - ago;
  if (time === undefined)
    throw badRequest(
      `${pastQuery}: ${JSON.stringify(at)} is no moment: give a time such as 2026-01-31T12:00:00Z, how long ago it is such as 10m or 1h30m, or a revision`,
    );
  if (time > now) throw badRequest(`${pastQuery}: ${JSON.stringify(at)} is in the future: it is ${formatTime(now)}`);
  return { time, revision: () => store.past.revisionAt(time) };
}
