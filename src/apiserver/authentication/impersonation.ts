import type { IncomingHttpHeaders } from "node:http";
import { badRequest, forbidden } from "../../api/errors.ts";
import type { RequestAttributes, UserInfo } from "../../api/user.ts";
import { BoundedMap } from "../../lib/bounded-map.ts";
import { extraOf, headerValues } from "./identity-headers.ts";
import { serviceAccountGroups, serviceAccountOf } from "./service-account-claims.ts";

/** Throws Forbidden when the access is not allowed. */
type Check = (attributes: RequestAttributes) => Promise<void> | void;

/**
 * One way to be somebody else. All but the oldest allow it only for certain requests, and only whom they are about
 * (constrained impersonation, KEP-5284). They are tried in this order.
 */
interface Mode {
  /** "": the oldest, which has the verb impersonate. */
  name: string;
  isFor(wanted: UserInfo, sender: UserInfo): boolean;
}

const nodePrefix = "system:node:";
const identity = "authentication.k8s.io";
const isNode = ({ name }: UserInfo): boolean => name.startsWith(nodePrefix) && name.length > nodePrefix.length;
const isAccount = ({ name }: UserInfo): boolean => serviceAccountOf(name) !== undefined;
const onlyNamed = ({ uid, groups, extra }: UserInfo): boolean => !uid && groups.length === 0 && !extra;

const modes: readonly Mode[] = [
  { name: "associated-node", isFor: (wanted, sender) => onlyNamed(wanted) && isNode(wanted) && runsOn(sender, wanted) },
  { name: "arbitrary-node", isFor: (wanted) => onlyNamed(wanted) && isNode(wanted) },
  { name: "serviceaccount", isFor: (wanted) => onlyNamed(wanted) && isAccount(wanted) },
  { name: "user-info", isFor: (wanted) => !isNode(wanted) && !isAccount(wanted) },
  { name: "", isFor: () => true },
];

/** Whether the sender's token is that of a pod on the wanted node. */
function runsOn(sender: UserInfo, { name }: UserInfo): boolean {
  const nodes = sender.extra?.["authentication.kubernetes.io/node-name"] ?? [];
  return isAccount(sender) && nodes.length === 1 && name === nodePrefix + nodes[0];
}

/** Whether the request is one in another's name. */
export function impersonates(headers: IncomingHttpHeaders): boolean {
  for (const header in headers) if (header.startsWith("impersonate-")) return true;
  return false;
}

/** Requests in another's name (kubectl --as): whom the sender may be. */
export class Impersonation {
  private readonly authorization: { check: Check };
  /** The mode that allowed the last such request of a sender, which is tried first. */
  private readonly last = new BoundedMap<string, Mode>(1_000);

  constructor(authorization: { check: Check }) {
    this.authorization = authorization;
  }

  /** Whom the Impersonate-* headers of a request for these attributes name, if its sender may be that. Throws Forbidden, BadRequest. */
  async userOf(attributes: RequestAttributes, headers: IncomingHttpHeaders): Promise<UserInfo> {
    const wanted = wantedUser(headers);
    if (!wanted) return attributes.user;
    const last = this.last.get(attributes.user.name);
    let refused: unknown;
    for (const mode of last ? [last, ...modes.filter((one) => one !== last)] : modes) {
      if (!mode.isFor(wanted, attributes.user)) continue;
      try {
        await check(mode, wanted, attributes, this.authorization.check);
        if (mode !== last) this.last.set(attributes.user.name, mode);
        return completed(mode, wanted);
      } catch (error) {
        refused ??= error;
      }
    }
    throw refused;
  }
}

async function check(mode: Mode, wanted: UserInfo, attributes: RequestAttributes, may: Check): Promise<void> {
  let sender = attributes.user;
  // One answer for the pods of all nodes: which node it is has been looked at.
  const own = mode.name === "associated-node";
  if (own) sender = { ...sender, extra: { "authentication.kubernetes.io/associated-node-keys": Object.keys(sender.extra ?? {}).sort() } };
  if (mode.name) await may({ ...attributes, user: sender, verb: `impersonate-on:${mode.name}:${attributes.verb}` });
  const verb = mode.name ? `impersonate:${mode.name}` : "impersonate";
  const base = { user: sender, verb, isResource: true, path: "", version: "v1", subresource: "", namespace: "", name: "" };
  const named = { ...base, group: mode.name ? identity : "" };
  const account = serviceAccountOf(wanted.name);
  if (mode.name && isNode(wanted)) await may({ ...named, resource: "nodes", name: own ? "*" : wanted.name.slice(nodePrefix.length) });
  else if (account) await may({ ...named, resource: "serviceaccounts", ...account });
  else await may({ ...named, resource: "users", name: wanted.name });
  if (wanted.uid) await may({ ...base, group: identity, resource: "uids", name: wanted.uid });
  if (mode.name) refuseSpecial(wanted);
  for (const group of wanted.groups) await may({ ...named, resource: "groups", name: group });
  for (const [key, values] of Object.entries(wanted.extra ?? {}))
    for (const value of values) await may({ ...base, group: identity, resource: "userextras", subresource: key, name: value });
}

/** What can be had only with the verb impersonate. */
function refuseSpecial({ groups, extra = {} }: UserInfo): void {
  const refuse = (kind: string, why: string) => forbidden({ group: identity, kind }, why);
  if (groups.includes("")) throw refuse("groups", "impersonating the empty string group is not allowed");
  if (groups.includes("system:masters")) throw refuse("groups", "impersonating the system:masters group is not allowed");
  for (const [key, values] of Object.entries(extra)) {
    if (!/^[^/]+\/.+$/.test(key))
      throw refuse("userextras", `impersonating an invalid key in extra is not allowed: ${JSON.stringify(key)}`);
    if (values.includes("")) throw refuse("userextras", "impersonating the empty string value in extra is not allowed");
  }
}

/** The user with the groups that come by themselves. */
function completed(mode: Mode, wanted: UserInfo): UserInfo {
  const account = serviceAccountOf(wanted.name);
  let groups = wanted.groups;
  if (groups.length === 0 && account) groups = serviceAccountGroups(account.namespace);
  if (mode.name && isNode(wanted)) groups = ["system:nodes"];
  const more = wanted.name === "system:anonymous" ? "system:unauthenticated" : "system:authenticated";
  return groups.includes(more) || groups.includes("system:unauthenticated")
    ? { ...wanted, groups }
    : { ...wanted, groups: [...groups, more] };
}

function wantedUser(headers: IncomingHttpHeaders): UserInfo | undefined {
  const name = headers["impersonate-user"]?.toString();
  const groups = headerValues(headers["impersonate-group"]);
  const uid = headers["impersonate-uid"]?.toString();
  const extra = extraOf(headers, "impersonate-extra-");
  if (name) return { name, groups, ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) };
  if (groups.length > 0 || uid || extra) throw badRequest("requested groups, uid or extra without impersonating a user name");
  return undefined;
}
