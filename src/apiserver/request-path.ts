import type { RequestAttributes, UserInfo } from "../api/user.ts";

/** What the path and method of a request ask for. See "Kubernetes API Concepts": resource URIs and verbs. */
export interface RequestPath {
  /** False for /healthz, /version, discovery and the like: then only verb and path count. */
  isResource: boolean;
  path: string;
  verb: string;
  group: string;
  version: string;
  /** "v1" or "apps/v1"; "" when isResource is false. */
  groupVersion: string;
  namespace: string;
  resource: string;
  name: string;
  subresource: string;
  /** What follows the subresource, with its slash, undecoded: the path that a proxy forwards. */
  rest: string;
}

const verbOfMethod: Record<string, string> = { POST: "create", GET: "get", HEAD: "get", PUT: "update", PATCH: "patch", DELETE: "delete" };
/** Below these, namespaces/NAME/x is a subresource of the namespace and not a resource within it. */
const namespaceSubresources = new Set(["status", "finalize"]);

/** Splits the path (without the query) of a request. Never fails: what is no resource path is a path of its own. */
export function parseRequestPath(method: string, path: string, query: URLSearchParams): RequestPath {
  const parts = path.split("/");
  const other = (): RequestPath => ({
    isResource: false,
    path,
    verb: method.toLowerCase(),
    group: "",
    version: "",
    groupVersion: "",
    namespace: "",
    resource: "",
    name: "",
    subresource: "",
    rest: "",
  });
  let at: number;
  let group = "";
  if (parts[1] === "api") at = 2;
  else if (parts[1] === "apis") {
    group = parts[2] ?? "";
    at = 3;
  } else return other();
  const version = parts[at++] ?? "";
  if (!version || !parts[at]) return other();
  let verb = verbOfMethod[method] ?? method.toLowerCase();
  if (parts[at] === "watch" && parts[at + 1]) {
    verb = "watch";
    at++;
  }
  let namespace = "";
  let resource = parts[at] ?? "";
  if (resource === "namespaces") {
    const third = parts[at + 2];
    if (parts[at + 1]) namespace = decode(parts[at + 1]);
    if (third && !namespaceSubresources.has(third)) {
      resource = third;
      at += 2;
    }
  }
  const name = decode(parts[at + 1]);
  const subresource = parts[at + 2] ?? "";
  const rest = parts.length > at + 3 ? `/${parts.slice(at + 3).join("/")}` : "";
  if (!name) verb = collectionVerb(verb, method, query);
  else if (verb === "get" && !subresource && isTrue(query.get("watch"))) verb = "watch";
  return {
    isResource: true,
    path,
    verb,
    group,
    version,
    groupVersion: group ? `${group}/${version}` : version,
    namespace,
    resource,
    name,
    subresource,
    rest,
  };
}

/** The attributes that authorisation decides about. */
export function attributesOf(path: RequestPath, user: UserInfo): RequestAttributes {
  return {
    user,
    verb: path.verb,
    isResource: path.isResource,
    path: path.path,
    group: path.group,
    version: path.version,
    resource: path.resource,
    subresource: path.subresource,
    namespace: path.namespace,
    name: path.name,
  };
}

/** "1", "true" and an empty value mean yes, as in Go's query conversion. */
export function isTrue(value: string | null): boolean {
  return value !== null && value !== "0" && value.toLowerCase() !== "false";
}

function collectionVerb(verb: string, method: string, query: URLSearchParams): string {
  if (verb === "watch") return "watch";
  if (method === "DELETE") return "deletecollection";
  if (verb !== "get") return verb;
  return isTrue(query.get("watch")) ? "watch" : "list";
}

function decode(part: string | undefined): string {
  if (part === undefined) return "";
  if (!part.includes("%")) return part;
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
