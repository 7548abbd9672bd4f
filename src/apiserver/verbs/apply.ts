import { badRequest, conflict, StatusError } from "../../api/errors.ts";
import { compareObjects } from "../../api/meta/apply/comparison.ts";
import { ManagedFields, managerOf } from "../../api/meta/apply/managed-fields.ts";
import { applyConfiguration, ownershipOfNew } from "../../api/meta/apply/managers.ts";
import { fieldSetOf, typeErrors } from "../../api/meta/apply/typed-values.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import type { SchemaNode } from "../../api/schema/node.ts";
import { isJsonObject, type JsonObject } from "../../api/schema/struct.ts";
import type { Call } from "../call.ts";
import { copyOf, untyped } from "../plain-data.ts";
import type { ObjectSubresource, ResourceHandler } from "../resource-handler.ts";
import type { VerbContext } from "./context.ts";
import { nodeOf, ownershipTime, writerOf } from "./ownership.ts";
import type { PatchInput } from "./patch.ts";

/** An object and who owns its fields. */
export interface Owned {
  object: KubeObject;
  managed: ManagedFields | undefined;
}

/** What an apply starts from. */
export interface Live {
  old: Readonly<KubeObject>;
  managed: ManagedFields | undefined;
}

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";

/** The body of an apply, checked: an object of the call's kind whose fields the schema knows. */
export function configurationOf({ body }: PatchInput, wanted: { apiVersion: string; kind: string }, node: SchemaNode): KubeObject {
  const fields = asObject(body);
  const { metadata } = fields;
  const apiVersion = textOf(fields, "apiVersion");
  const kind = textOf(fields, "kind");
  const version = apiVersion.includes("/") ? apiVersion : `/${apiVersion}`;
  if (apiVersion !== wanted.apiVersion || kind !== wanted.kind) throw badRequest(`invalid object type: ${version}, Kind=${kind}`);
  if (isJsonObject(metadata) && metadata["managedFields"]) throw badRequest("metadata.managedFields must be nil");
  const errors = typeErrors(body, node);
  if (errors.length > 0) {
    const named = isJsonObject(metadata) ? metadata : {};
    const list = errors.length === 1 ? errors[0] : `errors:\n${errors.map((error) => `  ${error}`).join("\n")}`;
    const what = `${textOf(named, "namespace")}/${textOf(named, "name")}; ${version}, Kind=${kind}`;
    throw new StatusError({ code: 400, message: `failed to create typed patch object (${what}): ${list}` });
  }
  return untyped(copyOf(fields));
}

/** The member where it is a text. */
function textOf(fields: JsonObject, name: string): string {
  const value = fields[name];
  return typeof value === "string" ? value : "";
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
export function appliedNew(context: VerbContext, call: Call, config: KubeObject): Owned {
  const { handler, name } = call;
  const { uid } = config.metadata;
  if (uid) {
    const why = `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`;
    throw conflict({ ...handler.target, name }, why);
  }
  const ignored = handler.hasStatus ? ["f:status"] : [];
  const managed = ownershipOfNew(applyNode(handler), config, writerOf(call, "Apply"), ignored, ownershipTime(context));
  return { object: untyped(handler.schema.prune(config).value), managed };
}

/** The next state of an object that somebody applies to, with its managedFields; what it was is not touched. Throws the conflicts. */
export function appliedTo(context: VerbContext, call: Call, live: Live, config: KubeObject, patch: PatchInput): Owned {
  const { handler } = call;
  return apply(context, call, live, {
    config,
    ignored: handler.hasStatus ? ["f:status"] : [],
    force: patch.force === true,
    canonical(object) {
      const canonical = untyped(copyOf(handler.schema.prune(object).value));
      handler.schema.applyDefaults(canonical);
      handler.rules.default?.(canonical);
      return canonical;
    },
  });
}

/** As appliedTo, through a subresource. */
export function appliedToSubresource(
  context: VerbContext,
  call: Call,
  subresource: ObjectSubresource,
  states: Live & { sent: KubeObject; config: KubeObject },
  force: boolean,
): Owned {
  const { old, sent, config } = states;
  const isOther = subresource.kind !== call.handler.info.kind;
  // A Scale writes one field of the main object.
  const main: KubeObject = isOther ? untyped({ spec: Reflect.get(config, "spec") }) : config;
  const written = new Set(isOther ? ["spec"] : ["apiVersion", "kind", "metadata", call.subresource]);
  const all = Object.keys(main).filter((name) => !written.has(name) && call.subresource === "status");
  return apply(context, call, states, {
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

function apply(context: VerbContext, call: Call, { old, managed }: Live, intent: Intent): Owned {
  const node = applyNode(call.handler);
  const now = ownershipTime(context);
  const by = writerOf(call, "Apply");
  const annotation = old.metadata.annotations?.[lastApplied];
  const live = { ...old };
  const first = managerOf(annotation ? "kubectl-client-side-apply" : "before-first-apply", "Update", by.apiVersion, "");
  const firstOwner = (): ManagedFields | undefined =>
    ManagedFields.of([{ by: first, time: now, set: compareObjects({}, live, node, ["status"]).changed }]);
  const isKubectl = by.name === "kubectl" && annotation !== undefined;
  const application = {
    ...{ node, live, by, now },
    managed: managed ?? firstOwner(),
    config: { ...intent.config },
    ignored: intent.ignored,
    force: intent.force,
    // What kubectl itself applied from the client's side before may be applied from the server's now.
    ...(isKubectl ? { forgiven: fieldSetOf(parsed(annotation), node) } : {}),
  };
  const applied = applyConfiguration(application, (object) => ({ ...intent.canonical(object) }));
  const object = untyped(applied.object);
  if (isKubectl) object.metadata.annotations = { ...object.metadata.annotations, [lastApplied]: `${JSON.stringify(intent.config)}\n` };
  return { object, managed: applied.managed };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
