import { type FieldError, invalid } from "../../api/errors.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import { type Call, unheard } from "../call.ts";
import type { ResourceHandler } from "../resource-handler.ts";

/** Throws one Invalid with all the errors, if there are any. */
export function refuseIfAny(handler: ResourceHandler, name: string, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalid({ ...handler.kindTarget, name }, errors);
}

/** Shows the client what the kind warns of. */
export function showWarnings(call: Call, object: KubeObject, old: KubeObject | undefined): void {
  if (call.warn === unheard) return;
  for (const warning of call.handler.rules.warnings?.(object, old) ?? []) call.warn(warning);
}
