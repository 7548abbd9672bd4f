import { badRequest, invalid, isReason, type StatusError, unsupportedMediaType } from "../../api/errors.ts";
import * as fault from "../../api/meta/field-errors.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import { dropRepeatedOwners } from "../../api/meta/owners.ts";
import { applyJsonPatch } from "../../api/meta/patch/json.ts";
import { applyMergePatch } from "../../api/meta/patch/merge.ts";
import { applyStrategicMergePatch, printedPatch } from "../../api/meta/patch/strategic.ts";
import { schemaOf } from "../../api/schema/node.ts";
import { DecodeError, jsonType } from "../../api/schema/prune.ts";
import { isJsonObject, typeOfKind } from "../../api/schema/struct.ts";
import type { Call } from "../call.ts";
import { type ObjectSchema, type Reply, type ResourceHandler, wholeObject } from "../resource-handler.ts";
import { applyNode, appliedNew, appliedTo, configurationOf } from "./apply.ts";
import { changeObject } from "./change.ts";
import type { VerbContext } from "./context.ts";
import { createObject } from "./create.ts";
import { checkResourceVersion, checkSent, mainChange } from "./update.ts";

/** The four formats of a patch. */
export type PatchType = "json" | "merge" | "strategic" | "apply";

/** What a patch is made of, and how strictly its result is read. */
export interface PatchInput {
  type: PatchType;
  /** The parsed body: a list of operations, or an object. */
  body: unknown;
  /** Told of the fields that the result has and the schema does not know. */
  unknownFields?: (paths: readonly string[], unfit: (why: string) => StatusError) => void;
  /** Of an apply: fields of others are taken from them instead of a conflict. */
  force?: boolean;
}

/**
 * Changes the object by a patch; lost races are repeated unless the patch carries a resourceVersion. An apply patch creates the object
 * when it is not there.
 */
export async function patchObject(context: VerbContext, call: Call, patch: PatchInput): Promise<Reply> {
  if (patch.type === "apply") return applyObject(context, call, patch);
  const { handler } = call;
  const view = await changeObject(context, call, {
    ...mainChange(call),
    next(old, managed) {
      const whole = concernsManagedFields(patch) ? wholeObject({ object: old, managed }) : old;
      const sent = patched(handler, { schema: handler.schema, type: handler.info.type }, whole, patch);
      checkSent(call, sent);
      dropRepeatedOwners(sent.metadata, call.warn, " after mutating admission happens");
      checkResourceVersion(call, sent, old);
      return sent;
    },
  });
  return { view, code: 200 };
}

async function applyObject(context: VerbContext, call: Call, patch: PatchInput): Promise<Reply> {
  const { info } = call.handler;
  const config = configurationOf(patch, { apiVersion: info.groupVersion, kind: info.kind }, applyNode(call.handler));
  config.metadata ??= {};
  config.metadata.name ||= call.name;
  checkSent(call, config);
  const isOwn = (error: unknown, reason: string): boolean => isReason(error, reason) && error.status.details?.kind === info.plural;
  for (;;)
    try {
      const view = await changeObject(context, call, {
        ...mainChange(call),
        next(old, managed) {
          const owned = appliedTo(context, call, { old, managed }, config, patch);
          checkResourceVersion(call, owned.object, old);
          return owned;
        },
      });
      return { view, code: 200 };
    } catch (error) {
      if (!isOwn(error, "NotFound")) throw error;
      const { object, managed } = appliedNew(context, call, config);
      try {
        return await createObject(context, call, object, () => managed);
      } catch (refusal) {
        // Somebody else was faster: there is something to merge with now.
        if (!isOwn(refusal, "AlreadyExists")) throw refusal;
      }
    }
}

/** Whether the patch looks at managedFields, which objects do not carry. */
function concernsManagedFields({ type, body }: PatchInput): boolean {
  if (type !== "json") return isJsonObject(body) && isJsonObject(body["metadata"]) && "managedFields" in body["metadata"];
  const paths = Array.isArray(body)
    ? body.flatMap((operation: unknown) => (isJsonObject(operation) ? [operation["path"], operation["from"]] : []))
    : [];
  return paths.some((path) => typeof path === "string" && /^(\/metadata(\/managedFields.*)?)?$/.test(path));
}

/** The object after the patch, pruned by the schema; `old` is not touched. Throws badRequest or invalid for a patch that does not fit. */
export function patched(
  handler: ResourceHandler,
  { schema, type }: { schema: ObjectSchema; type?: string | undefined },
  old: Readonly<KubeObject>,
  patch: PatchInput,
): KubeObject {
  const result = applied(type, old, patch);
  if (!isJsonObject(result)) throw badRequest("the patch does not give an object");
  const isStrategic = patch.type === "strategic";
  const unfit = (why: string): StatusError =>
    invalid({ kind: "" }, [fault.invalid("patch", isStrategic ? printedPatch(old, patch.body) : JSON.stringify(result), why)]);
  const object = asObject(result);
  try {
    if (!schema.patched || !isStrategic) checkType(handler, object, old, schema.patched !== undefined);
    const { value, unknown } = schema.patched?.(object, isStrategic) ?? schema.prune(object);
    if (unknown.length > 0) patch.unknownFields?.(unknown, unfit);
    return asObject({ ...value, apiVersion: old.apiVersion, kind: old.kind });
  } catch (error) {
    if (error instanceof DecodeError) throw unfit(error.message);
    throw error;
  }
}

function applied(typeName: string | undefined, object: Readonly<KubeObject>, { type, body }: PatchInput): unknown {
  if (type === "json") return applyJsonPatch(object, body);
  if (type === "merge") return applyMergePatch(object, body);
  if (!typeName) throw unsupportedMediaType(unsupportedStrategic);
  return applyStrategicMergePatch(object, body, schemaOf(typeName));
}

const unsupportedStrategic =
  "the body of the request was in an unknown format - accepted media types include: " +
  "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";

/** The one place where a parsed body becomes an object; the schema's prune makes it one. */
function asObject(value: object): KubeObject {
  return value as KubeObject;
}

/** Kind and version must stay. A strategic merge patch of a built-in kind cannot change them: nobody looks at what it says. */
function checkType({ info, kindTarget }: ResourceHandler, object: KubeObject, old: Readonly<KubeObject>, builtIn: boolean): void {
  const { apiVersion = old.apiVersion, kind = old.kind } = object;
  if (apiVersion === old.apiVersion && kind === old.kind) return;
  const field = kind === old.kind ? "apiVersion" : "kind";
  if (!builtIn) throw invalid({ ...kindTarget, name: old.metadata.name }, [fault.invalid(field, object[field], `must be ${old[field]}`)]);
  for (const [name, value] of Object.entries({ apiVersion, kind })) {
    if (typeof value === "string") continue;
    const type = jsonType(value);
    throw new DecodeError(
      `couldn't get version/kind; json parse error: json: cannot unmarshal ${type} into Go struct field .${name} of type string`,
    );
  }
  const why = typeOfKind(apiVersion, kind)
    ? `converting (${apiVersion.slice(apiVersion.indexOf("/") + 1)}.${kind}) to (${info.type?.split(".", 1)[0]}.${old.kind}): unknown conversion`
    : `no kind "${kind}" is registered for version "${apiVersion}" in scheme "pkg/runtime/scheme.go:111"`;
  throw new DecodeError(why);
}
