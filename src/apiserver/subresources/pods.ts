import { validateEphemeralContainersUpdate, validateResize, withEphemeralContainers, withResize } from "../../api/core/pod-update.ts";
import type { FieldError } from "../../api/errors.ts";
import type { Pod } from "../../api/types/core.v1.ts";
import { copyOf, typed, untyped } from "../plain-data.ts";
import type { ObjectSubresource, ResourceHandler } from "../resource-handler.ts";

/** pods/NAME/ephemeralcontainers: adds debug containers to a running pod; nothing else of it changes (KEP-277). */
export function ephemeralContainers(handler: ResourceHandler): ObjectSubresource {
  return podSubresource(handler, withEphemeralContainers, validateEphemeralContainersUpdate);
}

/** pods/NAME/resize: changes the resources of running containers (KEP-1287). */
export function resize(handler: ResourceHandler): ObjectSubresource {
  return podSubresource(handler, withResize, validateResize);
}

function podSubresource(
  handler: ResourceHandler,
  merge: (sent: Pod, old: Pod) => Pod,
  check: (pod: Pod, old: Pod) => FieldError[],
): ObjectSubresource {
  return {
    shape: "object",
    schema: handler.schema,
    type: handler.info.type,
    apiVersion: "v1",
    kind: "Pod",
    verbs: ["get", "patch", "update"],
    show: (object) => object,
    merge: (old, sent) => copyOf(untyped(merge(typed<Pod>(sent), typed<Pod>(old)))),
    validate: (object, old) => [...(handler.rules.validate?.(object, old) ?? []), ...check(typed<Pod>(object), typed<Pod>(old))],
  };
}
