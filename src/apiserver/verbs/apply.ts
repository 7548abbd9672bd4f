import { badRequest, conflict, StatusError } from "../../api/errors.ts";
import { fieldSetOf, typeErrors } from "../../api/meta/apply/typed-values.ts";
import {
  applyConfiguration,
  type Manager,
  type Ownership,
  ownershipAfterUpdate,
  ownershipOfAll,
  ownershipOfNew,
  readManagers,
  writeManagers,
} from "../../api/meta/apply/managers.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import { type SchemaNode, schemaOf } from "../../api/schema/node.ts";
import { isJsonObject, type JsonObject } from "../../api/schema/struct.ts";
import type { ManagedFieldsEntry } from "../../api/types/meta.v1.ts";
import type { Call } from "../call.ts";
import { copyOf, untyped } from "../plain-data.ts";
import type { ObjectSubresource, ResourceHandler } from "../resource-handler.ts";
import { timestamp, type VerbContext } from "./context.ts";
import type { PatchInput } from "./patch.ts";

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";

function nodeOf({ info, schema }: ResourceHandler): SchemaNode | undefined {
  return info.type ? schemaOf(info.type) : schema.node;
}

function writer(call: Call, operation: Manager["operation"]): Manager {
  const { fieldManager = call.user.name.replace(/^system:/, ""), handler, subresource } = call;
  return { name: fieldManager.slice(0, 128), operation, apiVersion: handler.info.groupVersion, subresource };
}

/** The managedFields after a change that is no apply. They are kept only for objects that have been applied once: others have no use for them. */
export function managedAfterUpdate(
  context: VerbContext,
  call: Call,
  states: { object: KubeObject; old: Readonly<KubeObject> },
  sent: ManagedFieldsEntry[] | undefined,
): ManagedFieldsEntry[] | undefined {
  const { object, old } = states;
  // One empty entry asks to forget all managers; clients that migrate ownership send other ones.
  const isReset = sent?.length === 1 && sent[0] && Object.keys(sent[0]).length === 0;
  const entries = isReset ? [] : sent?.length ? sent : old.metadata.managedFields;
  const node = entries?.length ? nodeOf(call.handler) : undefined;
  if (!node) return undefined;
  const now = timestamp(context.clock.now());
  return written(ownershipAfterUpdate(node, { before: old, after: object }, readManagers(entries), writer(call, "Update"), now));
}

function written(managers: readonly Ownership[]): ManagedFieldsEntry[] | undefined {
  return managers.length > 0 ? writeManagers(managers) : undefined;
}

/** The body of an apply, checked: an object of the call's kind whose fields the schema knows. */
export function configurationOf(
  call: Call,
  { body }: PatchInput,
  wanted: { apiVersion: string; kind: string },
  node: SchemaNode,
): KubeObject {
  const { apiVersion = "", kind = "", metadata } = asObject(body);
  if (apiVersion !== wanted.apiVersion || kind !== wanted.kind) {
    const group = String(apiVersion);
    throw badRequest(`invalid object type: ${group.includes("/") ? group : `/${group}`}, Kind=${String(kind)}`);
  }
  if (isJsonObject(metadata) && metadata["managedFields"]) throw badRequest("metadata.managedFields must be nil");
  const errors = typeErrors(body, node);
  if (errors.length > 0) {
    const { namespace = "", name = "" } = isJsonObject(metadata) ? metadata : {};
    const version = call.handler.info.group ? apiVersion : `/${String(apiVersion)}`;
    const list = errors.length === 1 ? errors[0] : `errors:\n${errors.map((error) => `  ${error}`).join("\n")}`;
    const what = `${String(namespace)}/${String(name)}; ${String(version)}, Kind=${String(kind)}`;
    throw new StatusError({ code: 500, message: `failed to create typed patch object (${what}): ${list}` });
  }
  return untyped(copyOf(asObject(body)));
}

function asObject(body: unknown): JsonObject {
  if (isJsonObject(body)) return body;
  const type = Array.isArray(body) ? "array" : body === null ? "null" : typeof body;
  const why = `json: cannot unmarshal ${type} into Go value of type map[string]interface {}`;
  throw badRequest(`error decoding YAML: error unmarshaling JSON: while decoding JSON: ${why}`);
}

/** The schema that apply follows. Throws for resources without one. */
export function applyNode(handler: ResourceHandler): SchemaNode {
  const node = nodeOf(handler);
  if (!node) throw badRequest(`${handler.info.plural} cannot be applied`);
  return node;
}

/** A new object as an apply makes it, with its managedFields. */
export function appliedNew(context: VerbContext, call: Call, config: KubeObject): KubeObject {
  const { handler, name } = call;
  const { uid } = config.metadata;
  if (uid) {
    const why = `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`;
    throw conflict({ ...handler.target, name }, why);
  }
  const now = timestamp(context.clock.now());
  const own = ownershipOfNew(applyNode(handler), config, writer(call, "Apply"), handler.clearsStatus ? ["f:status"] : [], now);
  const object = untyped(handler.schema.prune(config).value);
  object.metadata.managedFields = writeManagers([own]);
  return object;
}

/** The next state of an object that somebody applies to, with its managedFields; `old` is not touched. Throws the conflicts. */
export function appliedTo(context: VerbContext, call: Call, old: Readonly<KubeObject>, config: KubeObject, patch: PatchInput): KubeObject {
  const { handler } = call;
  return apply(context, call, old, {
    config,
    ignored: handler.hasStatus ? ["f:status"] : [],
    force: patch.force === true,
    canonical: (object) => untyped(copyOf(handler.schema.prune(object).value)),
  });
}

/** As appliedTo, through a subresource. */
export function appliedToSubresource(
  context: VerbContext,
  call: Call,
  subresource: ObjectSubresource,
  states: { old: Readonly<KubeObject>; sent: KubeObject; config: KubeObject },
  force: boolean,
): KubeObject {
  const { old, sent, config } = states;
  const isOther = subresource.kind !== call.handler.info.kind;
  // A Scale writes one field of the main object.
  const main: KubeObject = isOther ? untyped({ spec: Reflect.get(config, "spec") }) : config;
  const written = new Set(isOther ? ["spec"] : ["apiVersion", "kind", "metadata", call.subresource]);
  const all = Object.keys(main).filter((name) => !written.has(name) && call.subresource === "status");
  return apply(context, call, old, {
    config: main,
    ignored: all.map((name) => `f:${name}`),
    force,
    canonical: (object) => subresource.merge(old, isOther ? sent : untyped(subresource.schema.prune(object).value), call),
  });
}

interface Intent {
  config: KubeObject;
  ignored: readonly string[];
  force: boolean;
  canonical(object: object): KubeObject;
}

function apply(context: VerbContext, call: Call, old: Readonly<KubeObject>, intent: Intent): KubeObject {
  const node = applyNode(call.handler);
  const now = timestamp(context.clock.now());
  const by = writer(call, "Apply");
  const annotation = old.metadata.annotations?.[lastApplied];
  const { managedFields, ...metadata } = old.metadata;
  const live = { ...old, metadata };
  const first: Manager = {
    ...by,
    operation: "Update",
    subresource: "",
    name: annotation ? "kubectl-client-side-apply" : "before-first-apply",
  };
  const managers = managedFields?.length ? readManagers(managedFields) : [ownershipOfAll(node, live, first, now)];
  const isKubectl = by.name === "kubectl" && annotation !== undefined;
  const application = {
    ...{ node, live, managers, by, now },
    config: { ...intent.config },
    ignored: intent.ignored,
    force: intent.force,
    // What kubectl itself applied from the client's side before may be applied from the server's now.
    ...(isKubectl ? { forgiven: fieldSetOf(parsed(annotation), node) } : {}),
  };
  const applied = applyConfiguration(application, (object) => ({ ...intent.canonical(object) }));
  const object = untyped(applied.object);
  if (isKubectl) object.metadata.annotations = { ...object.metadata.annotations, [lastApplied]: `${JSON.stringify(intent.config)}\n` };
  object.metadata.managedFields = written(applied.managers);
  return object;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
