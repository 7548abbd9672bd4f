import { deepEqual } from "../../../api/meta/equality.ts";
import type { OwnerReference } from "../../../api/types/meta.v1.ts";
import type { RequestAttributes } from "../../../api/user.ts";
import type { Registry } from "../../registry.ts";
import type { AdmissionPlugin, AdmissionRequest } from "../admission.ts";
import { refuse } from "../request.ts";

/** What the check asks. */
export interface OwnerReferenceOptions {
  isAllowed(attributes: RequestAttributes): boolean | Promise<boolean>;
  registry: () => Registry;
}

/**
 * Who changes an object's owners must be allowed to delete the object, as their end is its end; and who makes an owner wait for it, to set
 * the owner's finalizers.
 */
export function ownerReferencesPermissionEnforcement(options: OwnerReferenceOptions): AdmissionPlugin {
  return {
    name: "OwnerReferencesPermissionEnforcement",
    validate(request) {
      if (request.operation !== "CREATE" && request.operation !== "UPDATE") return;
      // Their strategies keep the owners as they are.
      if (request.resource.plural === "pods" && request.resource.group === "" && request.subresource === "status") return;
      const owners = request.object?.metadata?.ownerReferences ?? [];
      const before = request.old?.metadata?.ownerReferences ?? [];
      if (!deepEqual(owners, before)) return check(options, request, owners, before);
    },
  };
}

async function check(
  { isAllowed, registry }: OwnerReferenceOptions,
  request: AdmissionRequest,
  owners: readonly OwnerReference[],
  before: readonly OwnerReference[],
): Promise<void> {
  const { user, resource, subresource, namespace, name } = request;
  const base = { user, isResource: true, path: "" };
  const { group, version } = resource;
  const deletion = { ...base, verb: "delete", group, version, resource: resource.plural, subresource, namespace, name };
  if (request.operation !== "CREATE" && !(await isAllowed(deletion)))
    throw refuse(request, "cannot set an ownerRef on a resource you can't delete: , <nil>");
  const wasBlocking = new Set(before.filter((one) => one.blockOwnerDeletion).map(({ uid }) => uid));
  const blocking = owners.filter(({ blockOwnerDeletion, uid }) => blockOwnerDeletion && !wasBlocking.has(uid));
  const finalizing = { ...base, verb: "update", subresource: "finalizers" };
  if (blocking.length === 0 || (await isAllowed({ ...finalizing, group: "*", version: "*", resource: "*", namespace: "", name: "*" })))
    return;
  for (const owner of blocking) {
    const kinds = registry()
      .resources(owner.apiVersion)
      .filter(({ info }) => info.kind === owner.kind);
    if (kinds.length === 0)
      throw refuse(
        request,
        `cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion ${owner.apiVersion} Kind ${owner.kind}: ` +
          `no matches for kind ${JSON.stringify(owner.kind)} in version ${JSON.stringify(owner.apiVersion)}`,
      );
    for (const { info } of kinds) {
      const where = { group: info.group, version: info.version, resource: info.plural, namespace: info.namespaced ? namespace : "" };
      if (!(await isAllowed({ ...finalizing, ...where, name: owner.name })))
        throw refuse(
          request,
          "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>",
        );
    }
  }
}
