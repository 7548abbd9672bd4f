import type { IncomingMessage } from "node:http";
import { type DecodedBody, decodeBody, readObject, UnreadableBody } from "../../api/codec/body.ts";
import { badRequest, methodNotAllowed, StatusError, unknownResource } from "../../api/errors.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import type { UserInfo } from "../../api/user.ts";
import type { Clock } from "../../lib/clock.ts";
import { currentAudit } from "../audit/current.ts";
import { whenThere } from "../authorization/index.ts";
import type { Call, DeleteOptions } from "../call.ts";
import { typed, untyped } from "../plain-data.ts";
import type { Registry } from "../registry.ts";
import type { RequestPath } from "../request-path.ts";
import type { Reply } from "../resource-handler.ts";
import { acceptWebSocket, offeredProtocols, type UpgradeRequest } from "../streaming/web-sockets.ts";
import { pastOf, pastQuery } from "../verbs/past.ts";
import type { Verbs } from "../verbs/verbs.ts";
import type { PatchInput, PatchType } from "../verbs/patch.ts";
import { readBody } from "./body.ts";
import type { EventStream } from "./event-stream.ts";
import { LineStream } from "./line-stream.ts";
import { MessageStream } from "./message-stream.ts";
import { deleteQuery, listQuery, watchQuery, writeQuery } from "./options.ts";
import type { Responder } from "./reply.ts";
import { Representation } from "./representation.ts";
import { type StreamParts, streamWatch } from "./watch-stream.ts";

/** An authorised request for a resource. */
export interface ResourceRequest {
  path: RequestPath;
  query: URLSearchParams;
  user: UserInfo;
  request: IncomingMessage;
  responder: Responder;
  /** Where the answer is to be a WebSocket: only watches know that. */
  upgrade?: UpgradeRequest;
}

/** What requests for resources need of the server. */
export interface ResourceParts {
  registry: Registry;
  verbs: Verbs;
  clock: Clock;
  streams: StreamParts;
}

/** Of v1. */
const deprecated: Record<string, string> = {
  endpoints: "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
  componentstatuses: "v1 ComponentStatus is deprecated in v1.19+",
};

/** Verbs on one object; resources with none of them, as reviews, have no paths with names. */
const namedVerbs = ["get", "update", "patch", "delete"];

const patchTypes: Record<string, PatchType> = {
  "application/json-patch+json": "json",
  "application/merge-patch+json": "merge",
  "application/strategic-merge-patch+json": "strategic",
  "application/apply-patch+yaml": "apply",
};

/** Answers a request for a resource of the registry. Throws StatusErrors. */
export function serveResource(parts: ResourceParts, incoming: ResourceRequest): Promise<void> | void {
  const { path, user, responder } = incoming;
  const handler = parts.registry.find(path.groupVersion, path.resource);
  if (!handler || (path.namespace && !handler.info.namespaced && path.resource !== "namespaces")) throw unknownResource();
  const call: Call = {
    handler,
    namespace: handler.info.namespaced ? path.namespace : "",
    name: path.name,
    subresource: path.subresource,
    user,
    dryRun: false,
    warn: responder.warn,
  };
  if (!call.namespace) refuseOnAllNamespaces(call, path.verb);
  if (call.name && !call.subresource && !namedVerbs.some((verb) => handler.info.verbs.includes(verb))) throw unknownResource();
  const warning = path.groupVersion === "v1" ? deprecated[path.resource] : handler.deprecation;
  if (warning) {
    responder.warn(warning);
    currentAudit()?.annotate("k8s.io/deprecated", "true");
  }
  const serve = methods[path.verb];
  if (!serve) throw methodNotAllowed();
  const at = incoming.query.get(pastQuery);
  if (at === null) return serve(parts, call, incoming);
  return pastOf(parts.verbs.context, call, at, incoming.query.get("continue")).then((past) => serve(parts, { ...call, past }, incoming));
}

type Method = (parts: ResourceParts, call: Call, incoming: ResourceRequest) => Promise<void> | void;

const methods: Record<string, Method> = {
  get(parts, call, incoming) {
    const form = representation(parts, call, incoming);
    return whenThere(parts.verbs.get(call), (view) => send(incoming, form, { view, code: 200 }));
  },
  async list(parts, call, incoming) {
    const form = representation(parts, call, incoming);
    await incoming.responder.pieces(form.contentType, await form.list(await parts.verbs.list(call, listQuery(incoming.query))));
  },
  watch(parts, call, { query, request, responder, upgrade }) {
    if (request.method !== "GET") throw methodNotAllowed();
    const representation = new Representation(call.handler, request.headers.accept, query, parts.clock);
    const options = watchQuery(query);
    const watch = parts.verbs.watch(call, options);
    const run = (stream: EventStream): void => streamWatch(parts.streams, call, options, watch, { stream, representation });
    if (upgrade) return acceptWebSocket(upgrade, offeredProtocols(request)[0] ?? "").then((socket) => run(new MessageStream(socket)));
    const { response } = responder;
    response.writeHead(200, responder.headers(representation.streamType)).flushHeaders();
    run(new LineStream(response, parts.streams.pace));
  },
  async create(parts, call, incoming) {
    if (call.name && !call.subresource) throw methodNotAllowed();
    const form = representation(parts, call, incoming);
    send(incoming, form, await parts.verbs.create(call, await bodyObject(parts, call, incoming, "CreateOptions")));
  },
  async update(parts, call, incoming) {
    if (!call.name) throw methodNotAllowed();
    const form = representation(parts, call, incoming);
    send(incoming, form, await parts.verbs.update(call, await bodyObject(parts, call, incoming, "UpdateOptions")));
  },
  async patch(parts, call, incoming) {
    if (!call.name) throw methodNotAllowed();
    const form = representation(parts, call, incoming);
    send(incoming, form, await parts.verbs.patch(call, await patchInput(parts, call, incoming)));
  },
  async delete(parts, call, incoming) {
    const form = representation(parts, call, incoming);
    const options = await deleteOptions(call, incoming);
    send(incoming, form, await parts.verbs.delete(call, options));
  },
  async deletecollection(parts, call, incoming) {
    const form = representation(parts, call, incoming);
    const options = await deleteOptions(call, incoming);
    const listed = await parts.verbs.deleteCollection(call, options, listQuery(incoming.query));
    await incoming.responder.pieces(form.contentType, await form.list(listed));
  },
};

function representation(parts: ResourceParts, call: Call, { request, query }: ResourceRequest): Representation {
  return new Representation(call.handler, request.headers.accept, query, (call.past ?? parts).clock);
}

function send({ responder }: ResourceRequest, form: Representation, { view, code }: Reply): void {
  responder.text(code, form.contentType, form.object(view));
}

/** The object in the body, pruned and of the right kind; warns of what the schema does not know, or refuses it. */
async function bodyObject(parts: ResourceParts, call: Call, incoming: ResourceRequest, optionsKind: string): Promise<KubeObject> {
  const { dryRun, fieldValidation, fieldManager } = writeQuery(incoming.query, optionsKind);
  call.dryRun = dryRun;
  call.fieldManager = fieldManager ?? programOf(incoming.request);
  const { schema, type, apiVersion, kind } = parts.verbs.bodyKind(call);
  const body = await readBody(incoming.request);
  const { object, warnings } = readObject(body, incoming.request.headers["content-type"] ?? "", {
    type,
    apiVersion,
    kind,
    fieldValidation,
  });
  currentAudit()?.sent(object);
  if (type === undefined) return prunedCustom(call, schema.prune(object), fieldValidation, warnings);
  for (const warning of warnings) call.warn(warning);
  return object;
}

/** The program that asks: "kubectl" of "kubectl/v1.36.0 (linux/amd64)". Headers are Latin-1: what does not print there is left out. */
function programOf(request: IncomingMessage): string {
  const [program = ""] = request.headers["user-agent"]?.split("/", 1) ?? [];
  return program.replace(/[^\x20-\x7e\xa1-\xff]/g, "").slice(0, 128) || "unknown";
}

function prunedCustom(
  call: Call,
  { value, unknown }: { value: object; unknown: string[] },
  fieldValidation: string,
  warnings: readonly string[],
): KubeObject {
  const problems = [...warnings, ...unknown.map((path) => `unknown field ${JSON.stringify(path)}`)];
  if (problems.length > 0 && fieldValidation === "Strict") throw badRequest(strictMessage(call, problems));
  if (fieldValidation === "Warn") for (const problem of problems) call.warn(problem);
  return untyped(value);
}

function strictMessage({ handler }: Call, problems: readonly string[]): string {
  const { kind, version } = handler.info;
  return `${kind} in version "${version}" cannot be handled as a ${kind}: strict decoding error: ${problems.join(", ")}`;
}

async function patchInput(parts: ResourceParts, call: Call, { query, request }: ResourceRequest): Promise<PatchInput> {
  const mediaType = (request.headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const type = patchTypes[mediaType];
  const { dryRun, fieldValidation, fieldManager, force } = writeQuery(query, "PatchOptions", type === "apply");
  call.dryRun = dryRun;
  call.fieldManager = fieldManager ?? programOf(request);
  if (!type) throw unsupportedPatch();
  parts.verbs.bodyKind(call);
  const { value: body, strictProblems } = parsedPatch(await readBody(request), type, fieldValidation !== "Ignore");
  currentAudit()?.sent(body, true);
  const duplicates = type === "apply" && fieldValidation !== "Ignore" ? strictProblems([]) : [];
  if (duplicates.length > 0) {
    if (fieldValidation === "Strict")
      throw badRequest(`error strict decoding YAML: error converting YAML to JSON: ${duplicates.join(", ")}`);
    for (const line of duplicates.join("\n").split("\n").slice(1)) call.warn(line.trim());
  }
  return {
    type,
    body,
    force,
    unknownFields(paths, unfit) {
      const problems = paths.map((path) => `unknown field ${JSON.stringify(path)}`);
      if (fieldValidation === "Strict") throw unfit(`strict decoding error: ${problems.join(", ")}`);
      if (fieldValidation === "Warn") for (const problem of problems) call.warn(problem);
    },
  };
}

function unsupportedPatch(): StatusError {
  return new StatusError({ code: 415, reason: "UnsupportedMediaType", message: "415: Unsupported Media Type", details: {} });
}

/** Without `strictly` (fieldValidation=Ignore) upstream reads patches in other ways, with other words. */
function parsedPatch(body: Buffer, type: PatchType, strictly: boolean): DecodedBody {
  try {
    return decodeBody(body, type === "apply" ? "application/yaml" : "application/json", false);
  } catch (error) {
    if (!(error instanceof UnreadableBody)) throw error;
    const why = error.message.replace(/^couldn't get version\/kind; json parse error: /, "");
    if (type === "apply") throw badRequest(`error decoding YAML: ${why}`);
    if (!strictly && type === "merge") throw badRequest("Invalid JSON Patch");
    throw badRequest(type === "strategic" || !strictly ? why : `error decoding patch: ${why}`);
  }
}

async function deleteOptions(call: Call, { request, query }: ResourceRequest): Promise<DeleteOptions> {
  const { dryRun } = writeQuery(query, "DeleteOptions");
  call.dryRun = dryRun;
  const body = await readBody(request);
  if (body.length === 0) return deleteQuery(query);
  const contentType = request.headers["content-type"] ?? "";
  const target = { type: "meta.v1.DeleteOptions", apiVersion: "v1", kind: "DeleteOptions", fieldValidation: "Ignore" as const };
  const sent = typed<DeleteOptions & { dryRun?: string[]; metadata?: unknown }>(readObject(body, contentType, target).object);
  currentAudit()?.sent(sent);
  const dryRuns = new URLSearchParams();
  for (const value of sent.dryRun ?? []) dryRuns.append("dryRun", value);
  call.dryRun ||= writeQuery(dryRuns, "DeleteOptions").dryRun;
  return { ...deleteQuery(query), ...sent };
}

/** Only lists and watches reach over all namespaces. */
function refuseOnAllNamespaces({ name, handler }: Call, verb: string): void {
  const { namespaced, verbs } = handler.info;
  if (!namespaced || ((verb === "list" || verb === "watch") && verbs.includes("list"))) return;
  throw name || !verbs.includes("list") ? unknownResource() : methodNotAllowed();
}
