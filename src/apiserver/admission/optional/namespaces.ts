import { notFound } from "../../../api/errors.ts";
import { Namespaces } from "../../../api/types/resources.ts";
import type { Objects } from "../../objects.ts";
import type { AdmissionPlugin, AdmissionRequest } from "../admission.ts";

/** Whether the request is for something in a namespace that is not there. */
function isMissing(objects: Objects, { resource, namespace, operation }: AdmissionRequest): boolean {
  return resource.namespaced && namespace !== "" && operation !== "CONNECT" && !objects.get(Namespaces, undefined, namespace);
}

/** Refuses what is written to a namespace that is not there. */
export function namespaceExists(objects: Objects): AdmissionPlugin {
  return {
    name: "NamespaceExists",
    validate(request) {
      if (isMissing(objects, request)) throw notFound({ kind: "namespaces", name: request.namespace });
    },
  };
}

/** Makes the namespace in which something is created, when it is not there. */
export function namespaceAutoProvision(objects: Objects, createNamespace: (name: string) => Promise<void>): AdmissionPlugin {
  return {
    name: "NamespaceAutoProvision",
    admit: (request) =>
      request.operation === "CREATE" && !request.dryRun && isMissing(objects, request) ? createNamespace(request.namespace) : undefined,
  };
}
