import { forbidden, type StatusError } from "../../api/errors.ts";
import type { Pod } from "../../api/types/core.v1.ts";
import type { AdmissionRequest } from "./admission.ts";

/** The Forbidden that a plugin refuses a request with. An object whose name is yet to be generated goes by its generateName. */
export function refuse(request: AdmissionRequest, why: string): StatusError {
  return forbidden({ group: request.resource.group, kind: request.resource.plural, name: nameOf(request) }, why);
}

/** What to call the object of a request. */
export function nameOf({ name, object }: AdmissionRequest): string {
  return name || object?.metadata.name || object?.metadata.generateName || "Unknown";
}

/** Whether the request is about that resource ("pods", "storageclasses.storage.k8s.io"), or that subresource of it and no other. */
export function isFor({ resource, subresource }: AdmissionRequest, name: string, wanted = ""): boolean {
  return subresource === wanted && name === (resource.group ? `${resource.plural}.${resource.group}` : resource.plural);
}

/** The pod that is being created; undefined for every other request. */
export function createdPod(request: AdmissionRequest): Pod | undefined {
  return request.operation === "CREATE" && isFor(request, "pods") ? (request.object as Pod) : undefined; // The resource says so.
}

/** The pod that is being created or updated; undefined for every other request. */
export function writtenPod(request: AdmissionRequest): Pod | undefined {
  const writes = request.operation === "CREATE" || request.operation === "UPDATE";
  return writes && isFor(request, "pods") ? (request.object as Pod) : undefined; // The resource says so.
}

/** A pod that has a node and whose spec is being changed by the subresource ("": by an update of the pod itself); undefined for every other request. */
export function changedOnNode(request: AdmissionRequest, subresource: "" | "resize"): { pod: Pod; old: Pod } | undefined {
  if (request.operation !== "UPDATE" || !isFor(request, "pods", subresource)) return undefined;
  const pod = request.object as Pod; // The resource says so.
  const old = request.old as Pod; // As above.
  return pod.spec.nodeName && pod.metadata.generation !== old.metadata.generation ? { pod, old } : undefined;
}
