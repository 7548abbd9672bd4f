import type { KindRules } from "../kind.ts";
import { deepEqual } from "../meta/equality.ts";
import { immutable, requiredValue } from "../meta/field-errors.ts";
import { age } from "../meta/time.ts";
import type { DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice } from "../types/resource.v1.ts";

/** The rules of DeviceClasses. */
export const deviceClassRules: KindRules<DeviceClass> = {
  cells: ({ metadata }, now) => [metadata.name, age(metadata.creationTimestamp, now)],
};

/** The rules of ResourceClaims: what is claimed never changes. */
export const resourceClaimRules: KindRules<ResourceClaim> = {
  validateUpdate: ({ spec }, old) => immutable("spec", deepEqual(spec, old.spec), spec),
  cells: ({ metadata, status }, now) => [
    metadata.name,
    claimState(metadata.deletionTimestamp, status),
    age(metadata.creationTimestamp, now),
  ],
};

/** The rules of ResourceClaimTemplates. */
export const resourceClaimTemplateRules: KindRules<ResourceClaimTemplate> = {
  validateUpdate: ({ spec }, old) => immutable("spec", deepEqual(spec, old.spec), spec),
  cells: ({ metadata }, now) => [metadata.name, age(metadata.creationTimestamp, now)],
};

/** The rules of ResourceSlices. */
export const resourceSliceRules: KindRules<ResourceSlice> = {
  validate: ({ spec }) => [
    ...(spec?.driver ? [] : [requiredValue("spec.driver")]),
    ...(spec?.pool?.name ? [] : [requiredValue("spec.pool.name")]),
  ],
  cells: ({ metadata, spec }, now) => [
    metadata.name,
    spec?.nodeName ?? "",
    spec?.driver ?? "",
    spec?.pool?.name ?? "",
    age(metadata.creationTimestamp, now),
  ],
  fields: { "spec.nodeName": ({ spec }) => spec?.nodeName ?? "", "spec.driver": ({ spec }) => spec?.driver ?? "" },
};

function claimState(deleted: string | undefined, status: ResourceClaim["status"] | undefined): string {
  const states: string[] = [];
  if (deleted) states.push("deleted");
  if (status?.allocation) states.push("allocated");
  else states.push("pending");
  if (status?.reservedFor?.length) states.push("reserved");
  return states.join(",");
}
