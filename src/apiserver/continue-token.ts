import { badRequest } from "../api/errors.ts";

/** Where a chunked list goes on. */
export interface ContinueToken {
  /** The revision that all chunks show; -1: whatever is newest. */
  revision: number;
  /** The last key of the chunk before. */
  after: { namespace: string; name: string };
}

/** The opaque token of the API: the revision and the last key, in the form that Kubernetes uses too. */
export function encodeContinue(revision: number, last: { namespace: string; name: string }, listedNamespace: string): string {
  const key = last.namespace && !listedNamespace ? `${last.namespace}/${last.name}` : last.name;
  return Buffer.from(JSON.stringify({ v: "meta.k8s.io/v1", rv: revision, start: `/${key}\u0000` })).toString("base64url");
}

/** Reads a token for a list of that namespace ("" for all). Throws badRequest. */
export function decodeContinue(token: string, listedNamespace: string): ContinueToken {
  let parsed: { v?: unknown; rv?: unknown; start?: unknown };
  const text = Buffer.from(token, "base64url").toString("utf8");
  try {
    parsed = Object(JSON.parse(text));
  } catch {
    const why = text ? `invalid character '${text[0]}' looking for beginning of value` : "unexpected end of JSON input";
    throw badRequest(`invalid continue token: continue key is not valid: ${why}`);
  }
  if (parsed.v !== "meta.k8s.io/v1")
    throw badRequest("invalid continue token: continue key is not valid: server does not recognize this encoded version");
  if (typeof parsed.rv !== "number" || typeof parsed.start !== "string" || parsed.rv === 0)
    throw badRequest("invalid continue token: continue key is not valid: incorrect encoded start resourceVersion");
  const key = parsed.start.slice(parsed.start.startsWith("/") ? 1 : 0, parsed.start.endsWith("\0") ? -1 : undefined);
  const slash = key.indexOf("/");
  if (listedNamespace) return { revision: parsed.rv, after: { namespace: listedNamespace, name: key } };
  return { revision: parsed.rv, after: { namespace: slash < 0 ? "" : key.slice(0, slash), name: key.slice(slash + 1) } };
}
