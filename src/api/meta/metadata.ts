import type { FieldError } from "../errors.ts";
import type { ObjectMeta, OwnerReference } from "../types/meta.v1.ts";
import { deepEqual } from "./equality.ts";
import * as fault from "./field-errors.ts";
import { validateLabels } from "./labels.ts";
import { checkQualifiedName } from "./names.ts";
import { nameCheckOf } from "./object-names.ts";

const annotationsLimit = 256 * 1024;
const standardFinalizers = new Set(["kubernetes", "orphan", "foregroundDeletion"]);

/** What the metadata's checks need to know of a resource. */
interface ResourceOfMetadata {
  group: string;
  plural: string;
  namespaced: boolean;
  /** Undefined for custom resources. */
  type?: string | undefined;
}

const withPlainFinalizers = /^(apiextensions|apiregistration|node|coordination|admissionregistration)\./;

/** Whether finalizers of the resource's objects have to tell where they come from. */
function needsQualifiedFinalizers({ type }: Pick<ResourceOfMetadata, "type">): boolean {
  return type !== undefined && type !== "core.v1.Event" && !withPlainFinalizers.test(type);
}

/** What is wrong with the metadata of a new object of that resource. */
export function validateMetadata(meta: ObjectMeta, resource: ResourceOfMetadata): FieldError[] {
  const check = nameCheckOf(resource);
  const errors: FieldError[] = [];
  if (meta.generateName) {
    const base = meta.generateName.replace(/-+$/, "a");
    errors.push(...fault.invalidEach("metadata.generateName", meta.generateName, check(base)));
  }
  if (!meta.name) errors.push(fault.required("metadata.name", "name or generateName is required"));
  else errors.push(...fault.checked("metadata.name", meta.name, check));
  if (resource.namespaced && !meta.namespace) errors.push(fault.required("metadata.namespace"));
  if (!resource.namespaced && meta.namespace) errors.push(fault.forbidden("metadata.namespace", "not allowed on this type"));
  return [...errors, ...validateMutableMetadata(meta), ...validateFinalizers(meta.finalizers ?? [], needsQualifiedFinalizers(resource))];
}

/** Kinds whose own rules look at a changed object as at a new one, too. */
const checkedAsNew = new Set([
  ...["ConfigMap", "Endpoints", "Namespace", "Node", "PersistentVolume", "PersistentVolumeClaim", "Pod", "Secret", "ServiceAccount"].map(
    (kind) => `core.v1.${kind}`,
  ),
  ...["Ingress", "IngressClass", "IPAddress"].map((kind) => `networking.v1.${kind}`),
  ...["CSIStorageCapacity", "StorageClass", "VolumeAttributesClass"].map((kind) => `storage.v1.${kind}`),
  ...["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"].map((kind) => `rbac.v1.${kind}`),
  ...["DeviceClass", "ResourceClaim", "ResourceClaimTemplate"].map((kind) => `resource.v1.${kind}`),
  ...["apps.v1.ControllerRevision", "batch.v1.Job", "node.v1.RuntimeClass", "certificates.v1.CertificateSigningRequest"],
  "apiregistration.v1.APIService",
]);

/**
 * What is wrong with the metadata of an object that replaces another. As upstream has it, what every kind may change is looked at three
 * times, or four, and each time told.
 */
export function validateMetadataUpdate(
  meta: ObjectMeta,
  old: ObjectMeta,
  resource: Pick<ResourceOfMetadata, "group" | "type"> = { group: "", type: "" },
): FieldError[] {
  const errors: FieldError[] = [];
  if (old.deletionTimestamp) errors.push(...newFinalizers(meta, old));
  if (meta.generation !== undefined && old.generation !== undefined && meta.generation < old.generation)
    errors.push(fault.invalid("metadata.generation", meta.generation, "must not be decremented"));
  for (const key of ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] as const)
    errors.push(...fault.immutable(`metadata.${key}`, (meta[key] || undefined) === (old[key] || undefined), meta[key] ?? ""));
  const isAsNew = resource.type !== undefined && checkedAsNew.has(resource.type);
  const mutable = validateMutableMetadata(meta);
  for (let times = isAsNew ? 4 : 3; times > 0 && mutable.length > 0; times--) errors.push(...mutable);
  const finalizers = validateFinalizers(meta.finalizers ?? [], needsQualifiedFinalizers(resource));
  return [...errors, ...finalizers, ...(isAsNew ? finalizers : [])];
}

function newFinalizers(meta: ObjectMeta, old: ObjectMeta): FieldError[] {
  const added = (meta.finalizers ?? []).filter((finalizer) => !old.finalizers?.includes(finalizer));
  if (added.length === 0) return [];
  const detail = `no new finalizers can be added if the object is being deleted, found new finalizers ${goStrings(added)}`;
  return [fault.forbidden("metadata.finalizers", detail)];
}

function validateMutableMetadata(meta: ObjectMeta): FieldError[] {
  return [
    ...validateLabels("metadata.labels", meta.labels),
    ...validateAnnotations("metadata.annotations", meta.annotations),
    ...validateOwners(meta.ownerReferences ?? []),
  ];
}

/** What is wrong with annotations: their keys, and more than 256 KiB in all. */
export function validateAnnotations(field: string, annotations: Readonly<Record<string, string>> | undefined): FieldError[] {
  const errors: FieldError[] = [];
  let size = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    // The keys are checked without regard to case, as upstream does.
    errors.push(...fault.invalidEach(field, key, checkQualifiedName(key.toLowerCase())));
    size += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (size > annotationsLimit) errors.push(fault.tooLong(field, annotationsLimit));
  return errors;
}

function validateOwners(owners: readonly OwnerReference[]): FieldError[] {
  const field = "metadata.ownerReferences";
  const errors: FieldError[] = [];
  let controller: OwnerReference | undefined;
  for (const owner of owners) {
    if (!owner.apiVersion) errors.push(fault.invalid(`${field}.apiVersion`, "", "version must not be empty"));
    for (const key of ["kind", "name", "uid"] as const)
      if (!owner[key]) errors.push(fault.invalid(`${field}.${key}`, "", "must not be empty"));
    if (owner.apiVersion === "v1" && owner.kind === "Event")
      errors.push(fault.invalid(field, owner, "/v1, Kind=Event is disallowed from being an owner"));
    if (!owner.controller) continue;
    if (controller)
      errors.push(
        fault.invalid(
          field,
          owners,
          `Only one reference can have Controller set to true. Found "true" in references for ${controller.kind}/${controller.name} and ${owner.kind}/${owner.name}`,
        ),
      );
    controller = owner;
  }
  return errors;
}

function validateFinalizers(finalizers: readonly string[], qualified: boolean): FieldError[] {
  const field = "metadata.finalizers";
  const errors: FieldError[] = [];
  if (finalizers.includes("orphan") && finalizers.includes("foregroundDeletion"))
    errors.push(fault.invalid(field, finalizers, "finalizer orphan and foregroundDeletion cannot be both set"));
  for (const [i, finalizer] of finalizers.entries()) {
    errors.push(...fault.checked(field, finalizer, checkQualifiedName));
    if (qualified && !finalizer.includes("/") && !standardFinalizers.has(finalizer))
      errors.push(fault.invalid(`${field}[${i}]`, finalizer, "name is neither a standard finalizer name nor is it fully qualified"));
  }
  return errors;
}

/** Whether two objects' metadata are the same apart from what every write changes. */
export function sameMetadata(a: ObjectMeta, b: ObjectMeta): boolean {
  return deepEqual(stable(a), stable(b));
}

function stable({ managedFields: _m, resourceVersion: _r, generation: _g, ...rest }: ObjectMeta): ObjectMeta {
  return rest;
}

function goStrings(list: readonly string[]): string {
  return `[]string{${list.map((s) => JSON.stringify(s)).join(", ")}}`;
}
