import { notFound } from "../../api/errors.ts";
import type { Call } from "../call.ts";
import type { View } from "../resource-handler.ts";
import { keyOfCall, type ReadContext } from "./context.ts";
import { viewWhenReady } from "./ready.ts";

/** The newest committed state of one object, or that of a past moment. Throws notFound. */
export function getObject(context: ReadContext, call: Call): View | Promise<View> {
  const stored = context.store.get(keyOfCall(call));
  if (!stored) throw notFound({ ...call.handler.target, name: call.name });
  return viewWhenReady(call.handler, stored);
}
