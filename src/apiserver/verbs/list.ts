import { badRequest, expired, type FieldError, invalid, StatusError } from "../../api/errors.ts";
import { Compacted, type ListQuery, type ListResult } from "../../store/store.ts";
import type { Call, ListOptions } from "../call.ts";
import { decodeContinue, encodeContinue } from "../continue-token.ts";
import type { View } from "../resource-handler.ts";
import { selectionOf } from "../selection.ts";
import type { ReadContext } from "./context.ts";

/** A list before it is put into words. */
export interface Listed {
  kind: string;
  apiVersion: string;
  items: View[];
  metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
}

const tooOldToken =
  "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue " +
  "parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token " +
  "results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and " +
  "now may show up in the list.";

/** Lists a collection; see "Kubernetes API Concepts": resourceVersion semantics and chunked lists. */
export function listObjects(context: ReadContext, call: Call, options: ListOptions): Listed | Promise<Listed> {
  const { handler } = call;
  validateListOptions(options);
  const selection = selectionOf(handler, options);
  const limit = options.limit && options.limit > 0 && options.resourceVersion !== "0" ? options.limit : undefined;
  const { match, label } = selection;
  const query: ListQuery = { resource: handler.storage, namespace: call.namespace || undefined, limit, match, label };
  const token = options.continue ? decodeContinue(options.continue, call.namespace) : undefined;
  if (token) {
    query.after = token.after;
    if (token.revision > 0) query.revision = token.revision;
  } else query.revision = revisionToList(context, options);
  const shown = (result: ListResult): Listed => listed(call, result, limit, !selection.match);
  if (handler.conversion) return listConverted(context, call, query, { continued: !!token, byField: !!options.fieldSelector }).then(shown);
  return shown(readPage(context, call, query, !!token));
}

/** What a selector of fields looks at has to be converted first; otherwise only what is shown. */
async function listConverted(
  context: ReadContext,
  call: Call,
  query: ListQuery,
  { continued, byField }: { continued: boolean; byField: boolean },
): Promise<ListResult> {
  const { conversion } = call.handler;
  const { resource, namespace, after, revision = context.store.revision } = query;
  const atRevision = { ...query, revision };
  if (byField) await conversion?.prepare(readPage(context, call, { resource, namespace, after, revision }, continued).objects);
  const result = readPage(context, call, atRevision, continued);
  await conversion?.prepare(result.objects);
  return result;
}

function listed(call: Call, result: ListResult, limit: number | undefined, countsRest: boolean): Listed {
  const { listKind: kind, info, view } = call.handler;
  const metadata: Listed["metadata"] = { resourceVersion: String(result.revision) };
  const last = result.objects.at(-1);
  if (limit && last && result.remaining > 0) {
    metadata.continue = encodeContinue(result.revision, last.key, call.namespace);
    if (countsRest) metadata.remainingItemCount = result.remaining;
  }
  // As upstream writes them, lists of custom resources always say where they go on.
  else if (!info.type) metadata.continue = "";
  return { kind, apiVersion: info.groupVersion, items: result.objects.map(view), metadata };
}

/** About how many characters a piece may get: enough to be cheap to send, few enough to be forgotten. */
const pieceLength = 96 * 1024;

/** The JSON text of a list in pieces, put together from texts that are there already. */
export function textOfList({ kind, apiVersion, metadata, items }: Listed): Generator<string, void> {
  return textInPieces({ kind, apiVersion, metadata }, "items", items, ({ text }) => text);
}

/** The JSON text of an object whose last field is a long list, in pieces: `textOf` makes the text of each item when its turn comes. */
export function* textInPieces<T>(head: object, field: string, items: readonly T[], textOf: (item: T) => string): Generator<string, void> {
  let begin = `${JSON.stringify(head).slice(0, -1)},"${field}":[`;
  const end = "]}\n";
  if (items.length === 0) yield begin + end;
  let texts: string[] = [];
  let length = 0;
  let left = items.length;
  for (const item of items) {
    const text = begin + textOf(item) + (--left === 0 ? end : "");
    begin = "";
    texts.push(text);
    length += text.length;
    if (length < pieceLength && left > 0) continue;
    // Joined at once a piece is flat: it is not copied again before it is sent.
    yield texts.join(",");
    begin = ",";
    texts = [];
    length = 0;
  }
}

function readPage(context: ReadContext, call: Call, query: ListQuery, continued: boolean): ListResult {
  try {
    return context.store.list(query);
  } catch (error) {
    if (!(error instanceof Compacted)) throw error;
    if (!continued || !query.after) throw expired("The resourceVersion for the provided list is too old.");
    const fresh = encodeContinue(-1, query.after, call.namespace);
    throw new StatusError({ code: 410, reason: "Expired", message: tooOldToken, metadata: { continue: fresh } });
  }
}

/** The exact revision that the options ask for; undefined for the newest. */
function revisionToList(context: ReadContext, options: ListOptions): number | undefined {
  const asked = parseRevision(options.resourceVersion);
  if (!asked) return undefined;
  refuseFuture(context, asked);
  const exact = options.resourceVersionMatch === "Exact" || (!options.resourceVersionMatch && !!options.limit);
  return exact ? asked : undefined;
}

/** A resourceVersion as a number; 0 when there is none. Throws badRequest. */
export function parseRevision(text: string | undefined): number {
  if (!text) return 0;
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  const why = /^\d+$/.test(text) ? "value out of range" : "invalid syntax";
  const quoted = JSON.stringify(text);
  throw badRequest(`invalid resource version: resourceVersion: Invalid value: ${quoted}: strconv.ParseUint: parsing ${quoted}: ${why}`);
}

/** Throws the Timeout that clients know when a revision has not been reached yet. */
export function refuseFuture(context: ReadContext, revision: number): void {
  if (revision <= context.store.revision) return;
  throw new StatusError({
    code: 504,
    reason: "Timeout",
    message: `Timeout: Too large resource version: ${revision}, current: ${context.store.revision}`,
    details: { causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }], retryAfterSeconds: 1 },
  });
}

function validateListOptions(options: ListOptions): void {
  const match = options.resourceVersionMatch;
  if (options.continue && options.resourceVersion && options.resourceVersion !== "0")
    throw badRequest("specifying resource version is not allowed when using continue");
  const errors: FieldError[] = [];
  const refuse = (message: string): void => {
    errors.push({ reason: "FieldValueForbidden", field: "resourceVersionMatch", message: `Forbidden: ${message}` });
  };
  if (match) {
    if (!options.resourceVersion) refuse("resourceVersionMatch is forbidden unless resourceVersion is provided");
    if (options.continue) refuse("resourceVersionMatch is forbidden when continue is provided");
    if (match !== "Exact" && match !== "NotOlderThan") {
      const message = `Unsupported value: ${JSON.stringify(match)}: supported values: "Exact", "NotOlderThan", ""`;
      errors.push({ reason: "FieldValueNotSupported", field: "resourceVersionMatch", message });
    }
    if (match === "Exact" && options.resourceVersion === "0") refuse('resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
  }
  if (errors.length > 0) throw invalid({ group: "meta.k8s.io", kind: "ListOptions" }, errors);
}
