import { notFound } from "../../api/errors.ts";
import { Namespaces } from "../../api/types/resources.ts";
import type { Objects } from "../objects.ts";
import type { AdmissionPlugin } from "./admission.ts";
import { isFor, refuse } from "./request.ts";

const immortal = new Set(["default", "kube-system", "kube-public"]);

/** Nothing is created in a namespace that is not there or on its way out; the system's namespaces stay. */
export function namespaceLifecycle(objects: Objects): AdmissionPlugin {
  return {
    name: "NamespaceLifecycle",
    admit(request) {
      const { operation, resource, namespace } = request;
      if (isFor(request, "namespaces")) {
        if (operation === "DELETE" && immortal.has(request.name)) throw refuse(request, "this namespace may not be deleted");
        return;
      }
      // Deleting goes on in a namespace that is going; a review of access creates nothing.
      if (!resource.namespaced || operation === "DELETE" || resource.plural === "localsubjectaccessreviews") return;
      const owner = objects.get(Namespaces, undefined, namespace);
      if (!owner) throw notFound({ kind: "namespaces", name: namespace });
      const terminating = owner.metadata.deletionTimestamp !== undefined || owner.status?.phase === "Terminating";
      if (operation !== "CREATE" || !terminating) return;
      const error = refuse(request, `unable to create new content in namespace ${namespace} because it is being terminated`);
      const cause = { reason: "NamespaceTerminating", message: `namespace ${namespace} is being terminated`, field: "metadata.namespace" };
      error.status.details = { ...error.status.details, causes: [cause] };
      throw error;
    },
  };
}
