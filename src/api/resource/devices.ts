import type { KindRules } from "../kind.ts";
import { deepEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import { goStruct } from "../meta/go-struct.ts";
import { age } from "../meta/time.ts";
import { defaultClaim, validateClaim, validateSelectors, validateSlice } from "./device-validation.ts";
import type { DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice } from "../types/resource.v1.ts";

const amount = { Selectors: null, AllocationMode: "", Count: 0 };
const goExact = { DeviceClassName: "", ...amount, AdminAccess: null, Tolerations: null, Capacity: null };
const goSub = { Name: "", DeviceClassName: "", ...amount, Tolerations: null, Capacity: null };
const goRequest = {
  Name: "",
  Exactly: (request: object) => goStruct(request, goExact),
  FirstAvailable: (list: object[]) => list.map((request) => goStruct(request, goSub)),
};
const goClaim = {
  Devices: {
    Requests: (list: object[] | null) => list?.map((request) => goStruct(request, goRequest)) ?? null,
    Constraints: null,
    Config: null,
  },
};

/** The rules of DeviceClasses. */
export const deviceClassRules: KindRules<DeviceClass> = {
  validate: ({ spec }) => validateSelectors("spec.selectors", spec?.selectors),
  cells: ({ metadata }, now) => [metadata.name, age(metadata.creationTimestamp, now)],
};

/** The rules of ResourceClaims: what is claimed never changes. */
export const resourceClaimRules: KindRules<ResourceClaim> = {
  default: ({ spec }) => defaultClaim(spec),
  validate: ({ spec }, old) => (old ? [] : validateClaim("spec", spec)),
  validateUpdate: ({ spec }, old) => fault.immutable("spec", deepEqual(spec, old.spec), goStruct(spec, goClaim)),
  cells: ({ metadata, status }, now) => [
    metadata.name,
    claimState(metadata.deletionTimestamp, status),
    age(metadata.creationTimestamp, now),
  ],
};

/** The rules of ResourceClaimTemplates. */
export const resourceClaimTemplateRules: KindRules<ResourceClaimTemplate> = {
  default: ({ spec }) => defaultClaim(spec?.spec),
  validate: ({ spec }) => validateClaim("spec.spec", spec?.spec),
  validateUpdate: ({ spec }, old) => fault.immutable("spec", deepEqual(spec, old.spec), goStruct(spec, { Spec: goClaim })),
  cells: ({ metadata }, now) => [metadata.name, age(metadata.creationTimestamp, now)],
};

/** The rules of ResourceSlices. */
export const resourceSliceRules: KindRules<ResourceSlice> = {
  validate: ({ spec }) => validateSlice(spec),
  validateUpdate: ({ spec }, { spec: old }) => [
    ...fault.immutable("spec.pool.name", spec?.pool?.name === old?.pool?.name, spec?.pool?.name ?? ""),
    ...fault.immutable("spec.driver", spec?.driver === old?.driver, spec?.driver ?? ""),
    ...fault.immutable("spec.nodeName", spec?.nodeName === old?.nodeName, spec?.nodeName ?? null),
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
