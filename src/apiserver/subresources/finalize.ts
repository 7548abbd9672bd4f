import type { KubeObject } from "../../api/meta/object.ts";
import type { Namespace } from "../../api/types/core.v1.ts";
import { copyOf, typed } from "../plain-data.ts";
import type { ObjectSubresource, ResourceHandler, ResourceHooks } from "../resource-handler.ts";

/** namespaces/NAME/finalize: the only way to change spec.finalizers; when the last is gone, so is a namespace that was deleted. */
export function finalizeSubresource(handler: ResourceHandler): ObjectSubresource {
  return {
    shape: "object",
    schema: handler.schema,
    type: handler.info.type,
    apiVersion: "v1",
    kind: "Namespace",
    verbs: ["update"],
    show: (object) => object,
    merge(old, sent) {
      const namespace = typed<Namespace>(copyOf<KubeObject>(old));
      namespace.metadata.finalizers = sent.metadata.finalizers;
      namespace.spec = { ...namespace.spec, finalizers: typed<Namespace>(sent).spec?.finalizers };
      return namespace;
    },
    validate: () => [],
  };
}

/** A deleted namespace shows the phase Terminating, and stays while spec.finalizers name anybody. */
export const namespaceHooks: ResourceHooks = {
  beginDelete(object) {
    const namespace = typed<Namespace>(object);
    namespace.status = { ...namespace.status, phase: "Terminating" };
  },
  mayGo: (object) => !typed<Namespace>(object).spec?.finalizers?.length,
};
