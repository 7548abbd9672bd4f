import type { KubeObject } from "../../api/meta/object.ts";
import type { StoredObject } from "../../store/store.ts";
import type { ResourceHandler, View } from "../resource-handler.ts";

/** The object as its version shows it: at once, unless a conversion webhook has to be asked. */
export function viewWhenReady(handler: ResourceHandler, stored: StoredObject): View | Promise<View> {
  const waiting = handler.conversion?.prepare([stored]);
  return waiting ? waiting.then(() => handler.view(stored)) : handler.view(stored);
}

/** The object in the version that is stored. */
export function inStorage({ conversion, toStorage }: ResourceHandler, object: KubeObject): KubeObject | Promise<KubeObject> {
  return conversion ? conversion.toStorage(object) : toStorage(object);
}
