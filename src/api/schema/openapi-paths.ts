import { builtInResources, type ResourceInfo } from "../resource.ts";
import type { ResourceFacts } from "./facts.ts";
import { typeOfKind } from "./struct.ts";

/** What an operation takes or gives: a built-in type ("core.v1.Pod", "patch"), a custom resource's definition, or text. */
export type Content = { type: string } | { definition: string } | "text";

/** One operation of one path, before it is written in the words of OpenAPI v2 or v3. */
export interface Operation {
  path: string;
  method: string;
  /** x-kubernetes-action */
  action: string;
  id: string;
  tag: string;
  description: string;
  group: string;
  version: string;
  kind: string;
  /** Names of query parameters of this operation, and of the path as a whole. */
  parameters: readonly string[];
  pathParameters: readonly string[];
  body?: Content;
  response: Content;
  codes: readonly number[];
  /** "watch": a list that may be a stream; "any": whatever the other end says. */
  produces: "object" | "watch" | "text" | "any";
}

/** A resource as OpenAPI sees it; custom resources name their definition. */
export type OpenApiResource = Omit<ResourceInfo, "singular" | "shortNames" | "categories"> & { definition?: string };

const listParameters = [
  ...["allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion", "resourceVersionMatch"],
  ...["sendInitialEvents", "timeoutSeconds", "watch"],
];
const writeParameters = ["dryRun", "fieldManager", "fieldValidation"];
const deleteParameters = [
  "dryRun",
  "gracePeriodSeconds",
  "ignoreStoreReadErrorWithClusterBreakingPotential",
  "orphanDependents",
  "propagationPolicy",
];
const connectParameters: Record<string, readonly string[] | undefined> = {
  attach: ["container", "stderr", "stdin", "stdout", "tty"],
  exec: ["command", "container", "stderr", "stdin", "stdout", "tty"],
  portforward: ["ports"],
  proxy: ["path"],
};
const logParameters = [
  "container",
  "follow",
  "insecureSkipTLSVerifyBackend",
  "limitBytes",
  "previous",
  "sinceSeconds",
  "stream",
  "tailLines",
  "timestamps",
];
/** Kinds whose deletion answers with the object that was there. */
const deletedIsReturned = new Set([
  ...["Pod", "PersistentVolume", "PersistentVolumeClaim", "PodTemplate", "ResourceQuota", "Service", "ServiceAccount"],
  ...["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"],
  ...["DeviceClass", "ResourceClaim", "ResourceClaimTemplate", "ResourceSlice"],
]);
const status: Content = { type: "meta.v1.Status" };
const options: Content = { type: "meta.v1.DeleteOptions" };

/** All operations on the built-in resources of a group version, or of all. */
export function builtInOperations(groupVersion?: string): Operation[] {
  const resources = builtInResources().filter((info) => groupVersion === undefined || info.groupVersion === groupVersion);
  return resources.flatMap((info) => operationsOf(info));
}

/** All operations on one resource and its subresources. */
export function operationsOf(resource: OpenApiResource): Operation[] {
  const all = [
    ...collectionOperations(resource),
    ...objectOperations(resource),
    ...watchOperations(resource),
    ...subresourceOperations(resource),
  ];
  const perPath = new Map<string, number>();
  for (const { path } of all) perPath.set(path, (perPath.get(path) ?? 0) + 1);
  return all.map((made) => (perPath.get(made.path) === 1 ? hoisted(made) : made));
}

/** The only operation of a path leaves its parameters to the path. */
function hoisted(only: Operation): Operation {
  return { ...only, pathParameters: [...only.pathParameters, ...only.parameters], parameters: [] };
}

/** "AppsV1": how operation ids name a group version. */
export function groupVersionId(group: string, version: string): string {
  const words = (group.replace(/\.k8s\.io$/, "") || "core").split(/[.-]/);
  return [...words, version].map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join("");
}

/** "apps_v1": the tag of a group version. */
export function groupVersionTag(group: string, version: string): string {
  const id = groupVersionId(group, "");
  return `${id.slice(0, 1).toLowerCase()}${id.slice(1)}_${version}`;
}

function rootOf({ group, version }: OpenApiResource): string {
  return group ? `/apis/${group}/${version}` : `/api/${version}`;
}

function scopeOf(resource: OpenApiResource): { base: string; scope: string; pathParameters: string[] } {
  const { namespaced, plural } = resource;
  const base = `${rootOf(resource)}${namespaced ? "/namespaces/{namespace}" : ""}/${plural}`;
  return { base, scope: namespaced ? "Namespaced" : "", pathParameters: namespaced ? ["namespace"] : [] };
}

type Given = Pick<Operation, "path" | "method" | "action" | "id" | "description" | "response"> & Partial<Operation>;

function operation({ group, version, kind }: OpenApiResource, given: Given): Operation {
  const defaults = { parameters: [], pathParameters: [], codes: [200], produces: "object" as const };
  return { ...defaults, tag: groupVersionTag(group, version), group, version, kind, ...given };
}

function content(resource: OpenApiResource): Content {
  return resource.type === undefined ? { definition: resource.definition ?? resource.kind } : { type: resource.type };
}

function listContent(resource: OpenApiResource): Content {
  return resource.type === undefined ? { definition: `${resource.definition}List` } : { type: `${resource.type}List` };
}

function collectionOperations(resource: OpenApiResource): Operation[] {
  const { kind, verbs, namespaced } = resource;
  const id = groupVersionId(resource.group, resource.version);
  const { base, scope, pathParameters } = scopeOf(resource);
  const item = content(resource);
  const common = { path: base, pathParameters: [...pathParameters, "pretty"] };
  const list = { method: "get", action: "list", response: listContent(resource), produces: "watch" as const };
  const made: Given[] = [];
  if (verbs.includes("list")) {
    made.push({
      ...common,
      ...list,
      id: `list${id}${scope}${kind}`,
      description: `list or watch objects of kind ${kind}`,
      parameters: listParameters,
    });
    if (namespaced) {
      const all = { path: `${rootOf(resource)}/${resource.plural}`, pathParameters: ["pretty"], parameters: listParameters };
      made.push({ ...list, ...all, id: `list${id}${kind}ForAllNamespaces`, description: `list or watch objects of kind ${kind}` });
    }
  }
  if (verbs.includes("create")) {
    const post = {
      method: "post",
      action: "post",
      id: `create${id}${scope}${kind}`,
      description: `create a ${kind}`,
      codes: [200, 201, 202],
    };
    made.push({ ...common, ...post, body: item, response: item, parameters: writeParameters });
  }
  if (verbs.includes("deletecollection")) {
    const parameters = [...listParameters.filter((name) => !["allowWatchBookmarks", "watch"].includes(name)), ...deleteParameters];
    const remove = {
      method: "delete",
      action: "deletecollection",
      id: `delete${id}Collection${scope}${kind}`,
      description: `delete collection of ${kind}`,
    };
    made.push({ ...common, ...remove, body: options, response: status, parameters });
  }
  return made.map((given) => operation(resource, given));
}

function objectOperations(resource: OpenApiResource): Operation[] {
  const { kind, verbs, group, version } = resource;
  const { base, scope, pathParameters } = scopeOf(resource);
  const path = `${base}/{name}`;
  const parts = {
    path,
    suffix: `${groupVersionId(group, version)}${scope}${kind}`,
    what: `the specified ${kind}`,
    item: content(resource),
  };
  const made = singleOperations(parts, verbs);
  if (verbs.includes("delete")) {
    const remove = { method: "delete", action: "delete", id: `delete${parts.suffix}`, description: `delete a ${kind}`, codes: [200, 202] };
    const response = deletedIsReturned.has(kind) && resource.type ? parts.item : status;
    made.push({ path, ...remove, body: options, response, parameters: deleteParameters });
  }
  return made.map((given) => operation(resource, { pathParameters: ["name", ...pathParameters, "pretty"], ...given }));
}

function singleOperations(parts: { path: string; suffix: string; what: string; item: Content }, verbs: readonly string[]): Given[] {
  const { path, suffix, what, item } = parts;
  const made: Given[] = [];
  if (verbs.includes("get"))
    made.push({ path, method: "get", action: "get", id: `read${suffix}`, description: `read ${what}`, response: item });
  if (verbs.includes("update")) {
    const put = { path, method: "put", action: "put", id: `replace${suffix}`, description: `replace ${what}`, codes: [200, 201] };
    made.push({ ...put, body: item, response: item, parameters: writeParameters });
  }
  if (verbs.includes("patch")) {
    const patch = {
      path,
      method: "patch",
      action: "patch",
      id: `patch${suffix}`,
      description: `partially update ${what}`,
      codes: [200, 201],
    };
    made.push({ ...patch, body: { type: "patch" }, response: item, parameters: [...writeParameters, "force"] });
  }
  return made;
}

/** The watch paths of old clients. */
function watchOperations(resource: OpenApiResource): Operation[] {
  if (!resource.verbs.includes("watch")) return [];
  const { kind, plural, namespaced, group, version } = resource;
  const id = groupVersionId(group, version);
  const { base, scope, pathParameters } = scopeOf(resource);
  const watched = base.replace(rootOf(resource), `${rootOf(resource)}/watch`);
  const paths: [string, string, string, string[]][] = [
    [watched, "watchlist", `watch${id}${scope}${kind}List`, pathParameters],
    [`${watched}/{name}`, "watch", `watch${id}${scope}${kind}`, ["name", ...pathParameters]],
  ];
  if (namespaced) paths.push([`${rootOf(resource)}/watch/${plural}`, "watchlist", `watch${id}${kind}ListForAllNamespaces`, []]);
  const description = `watch changes to ${kind}. deprecated: use the 'watch' parameter with a list operation instead.`;
  const common = { method: "get", description, response: { type: "meta.v1.WatchEvent" }, produces: "watch" as const };
  return paths.map(([path, action, opId, own]) =>
    operation(resource, { ...common, path, action, id: opId, pathParameters: [...own, "pretty", ...listParameters] }),
  );
}

function subresourceOperations(resource: OpenApiResource): Operation[] {
  return Object.entries(resource.subresources).flatMap(([name, facts]) => {
    if (connectParameters[name]) return connectOperations(resource, name, facts);
    const { base, scope, pathParameters } = scopeOf(resource);
    const [group, version] = [facts.group ?? resource.group, facts.version ?? resource.version];
    const type = facts.kind === resource.kind ? undefined : typeOfKind(group ? `${group}/${version}` : version, facts.kind);
    const item: Content = type === undefined ? content(resource) : { type };
    const path = `${base}/{name}/${name}`;
    const suffix = `${groupVersionId(resource.group, resource.version)}${scope}${resource.kind}${name.slice(0, 1).toUpperCase()}${name.slice(1)}`;
    const what = `${name} of the specified ${resource.kind}`;
    const made = singleOperations({ path, suffix, what, item }, facts.verbs);
    if (facts.verbs.includes("create")) {
      const post = { path, method: "post", action: "post", id: `create${suffix}`, description: `create ${what}`, codes: [200, 201, 202] };
      made.push({ ...post, body: item, response: item, parameters: writeParameters });
    }
    const common: Partial<Operation> = { pathParameters: ["name", ...pathParameters, "pretty"], kind: facts.kind, group, version };
    if (name === "log") Object.assign(common, { response: "text", produces: "text", parameters: logParameters });
    return made.map((given) => operation(resource, { ...given, ...common }));
  });
}

function connectOperations(resource: OpenApiResource, name: string, facts: ResourceFacts): Operation[] {
  const { base, scope, pathParameters } = scopeOf(resource);
  const title = name.slice(0, 1).toUpperCase() + name.slice(1);
  const paths = name === "proxy" ? ["", "/{path}"] : [""];
  const methods = name === "proxy" ? ["get", "put", "post", "delete", "options", "head", "patch"] : ["get", "post"];
  return paths.flatMap((rest) =>
    methods.map((method) => {
      const verb = method.slice(0, 1).toUpperCase() + method.slice(1);
      const id = `connect${groupVersionId(resource.group, resource.version)}${verb}${scope}${resource.kind}${title}${rest ? "WithPath" : ""}`;
      return operation(resource, {
        path: `${base}/{name}/${name}${rest}`,
        method,
        action: "connect",
        id,
        description: `connect ${method.toUpperCase()} requests to ${name} of ${resource.kind}`,
        kind: facts.kind,
        pathParameters: ["name", ...pathParameters, ...(connectParameters[name] ?? []), ...(rest ? ["path*"] : [])],
        response: "text",
        produces: "any",
      });
    }),
  );
}
