import type { IncomingHttpHeaders } from "node:http";
import { badRequest } from "../../api/errors.ts";
import type { RequestAttributes, UserInfo } from "../../api/user.ts";
import { serviceAccountGroups, serviceAccountOf } from "./service-account-claims.ts";

/** A request in another's name (kubectl --as): who it is to be, and what the sender must be allowed for it. */
export interface Impersonation {
  user: UserInfo;
  /** Each must be allowed for the sender. */
  required: RequestAttributes[];
}

/**
 * Reads the Impersonate-* headers: undefined when there are none. Throws when groups, uid or extra come without a user.
 * The core asks the authoriser for each of `required`, and goes on as `user`.
 */
export function impersonationOf(sender: UserInfo, headers: IncomingHttpHeaders): Impersonation | undefined {
  if (!impersonates(headers)) return undefined;
  const name = first(headers["impersonate-user"]);
  const groups = values(headers["impersonate-group"]);
  const uid = first(headers["impersonate-uid"]);
  const extra = extraOf(headers);
  if (!name) {
    if (groups.length > 0 || uid || Object.keys(extra).length > 0)
      throw badRequest(`requested ${JSON.stringify(groups)} without impersonating a user`);
    return undefined;
  }
  const account = serviceAccountOf(name);
  const base = { user: sender, verb: "impersonate", isResource: true, path: "", version: "v1", subresource: "" };
  const ask = (resource: string, value: string, more: Partial<RequestAttributes> = {}): RequestAttributes => ({
    ...base,
    group: "",
    resource,
    namespace: "",
    name: value,
    ...more,
  });
  const identity = "authentication.k8s.io";
  const required = [account ? ask("serviceaccounts", account.name, { namespace: account.namespace }) : ask("users", name)];
  for (const group of groups) required.push(ask("groups", group));
  if (uid) required.push(ask("uids", uid, { group: identity }));
  for (const [key, list] of Object.entries(extra))
    for (const value of list) required.push(ask("userextras", value, { group: identity, subresource: key }));
  const user = {
    name,
    groups: impersonatedGroups(name, groups, account?.namespace),
    ...(uid ? { uid } : {}),
    ...(Object.keys(extra).length > 0 ? { extra } : {}),
  };
  return { user, required };
}

function impersonates(headers: IncomingHttpHeaders): boolean {
  for (const header in headers) if (header.startsWith("impersonate-")) return true;
  return false;
}

function impersonatedGroups(name: string, groups: string[], namespace: string | undefined): string[] {
  const base = groups.length === 0 && namespace !== undefined ? serviceAccountGroups(namespace) : groups;
  if (name === "system:anonymous") return base.includes("system:unauthenticated") ? base : [...base, "system:unauthenticated"];
  return base.includes("system:authenticated") || base.includes("system:unauthenticated") ? base : [...base, "system:authenticated"];
}

function extraOf(headers: IncomingHttpHeaders): Record<string, string[]> {
  const prefix = "impersonate-extra-";
  const extra: Record<string, string[]> = {};
  for (const [header, value] of Object.entries(headers))
    if (header.startsWith(prefix)) extra[decodeURIComponent(header.slice(prefix.length))] = values(value);
  return extra;
}

function first(header: string | string[] | undefined): string | undefined {
  return [header ?? []].flat()[0];
}

function values(header: string | string[] | undefined): string[] {
  return [header ?? []].flat().flatMap((text) => text.split(", "));
}
