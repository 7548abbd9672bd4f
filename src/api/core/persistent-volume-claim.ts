import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { difference } from "../meta/difference.ts";
import { semanticEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import { goStruct } from "../meta/go-struct.ts";
import { validateLabelSelector } from "../meta/labels.ts";
import { checkDnsSubdomain } from "../meta/names.ts";
import { canonicalQuantity, compareQuantities } from "../meta/quantity.ts";
import { age } from "../meta/time.ts";
import { fractionalWarning } from "./pod-warnings.ts";
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from "../types/core.v1.ts";

const protection = "kubernetes.io/pvc-protection";
const accessModes = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const immutableText = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";

const amounts = (list: Record<string, string>): object => Object.fromEntries(Object.entries(list).sort(([a], [b]) => (a < b ? -1 : 1)));
const goSource = { APIGroup: null, Kind: "", Name: "" };
const goSpec = {
  AccessModes: null,
  Selector: null,
  Resources: { Limits: amounts, Requests: amounts },
  VolumeName: "",
  StorageClassName: null,
  VolumeMode: null,
  DataSource: (source: object) => goStruct(source, goSource),
  DataSourceRef: (source: object) => goStruct(source, { ...goSource, Namespace: null }),
  VolumeAttributesClassName: null,
};

/** What is wrong with the spec of a claim or of a template of one. */
export function validateClaimSpec(field: string, spec: PersistentVolumeClaimSpec | undefined, isNew = true): FieldError[] {
  if (!spec) return [fault.required(field)];
  const errors: FieldError[] = validateAccessModes(`${field}.accessModes`, spec.accessModes);
  if (spec.selector) errors.push(...validateLabelSelector(`${field}.selector`, spec.selector));
  const storage = spec.resources?.requests?.["storage"];
  if (storage === undefined) errors.push(fault.required(`${field}.resources[storage]`));
  else if (compareQuantities(storage, "0") <= 0)
    errors.push(fault.invalid(`${field}.resources[storage]`, storage, "must be greater than zero"));
  errors.push(...fault.checkedIfNonEmpty(`${field}.storageClassName`, spec.storageClassName, checkDnsSubdomain));
  errors.push(...fault.oneOfIfSet(`${field}.volumeMode`, spec.volumeMode, ["Block", "Filesystem"]));
  for (const key of ["dataSource", "dataSourceRef"] as const) errors.push(...validateDataSource(`${field}.${key}`, spec[key], isNew));
  const { dataSource, dataSourceRef } = spec;
  if (dataSource && dataSourceRef && !dataSourceRef.namespace && !semanticEqual(dataSource, dataSourceRef))
    errors.push(fault.invalid(field, {}, "must match dataSourceRef"));
  return errors;
}

function validateDataSource(field: string, source: PersistentVolumeClaimSpec["dataSource"], isNew: boolean): FieldError[] {
  if (!source) return [];
  const { name, kind = "", apiGroup } = source;
  const errors: FieldError[] = [];
  if (!name) errors.push(fault.required(`${field}.name`));
  if (!kind) errors.push(fault.required(`${field}.kind`));
  if (apiGroup && isNew) errors.push(...fault.checked(`${field}.apiGroup`, apiGroup, checkDnsSubdomain));
  if (!apiGroup && kind !== "PersistentVolumeClaim")
    errors.push(fault.invalid(field, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup"));
  return errors;
}

/** What is wrong with the access modes of a volume or claim. */
export function validateAccessModes(
  field: string,
  modes: readonly string[] | undefined,
  why = "at least 1 access mode is required",
): FieldError[] {
  if (!modes?.length) return [fault.required(field, why)];
  const errors = modes.filter((mode) => !accessModes.includes(mode)).map((mode) => fault.notSupported(field, mode, accessModes));
  if (modes.includes("ReadWriteOncePod") && modes.length > 1)
    errors.push(fault.forbidden(field, "may not use ReadWriteOncePod with other access modes"));
  return errors;
}

const shortModes: Record<string, string> = { ReadWriteOnce: "RWO", ReadOnlyMany: "ROX", ReadWriteMany: "RWX", ReadWriteOncePod: "RWOP" };

/** Access modes as tables print them: "RWO,RWX". */
export function shortAccessModes(modes: readonly string[] | undefined): string {
  return ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]
    .filter((mode) => modes?.includes(mode))
    .map((mode) => shortModes[mode])
    .join(",");
}

/** The class that a claim or volume names in its spec or, as before v1.6, by annotation. */
export function storageClassOf(object: {
  metadata: { annotations?: Record<string, string> };
  spec?: { storageClassName?: string };
}): string {
  return object.metadata.annotations?.["volume.beta.kubernetes.io/storage-class"] ?? object.spec?.storageClassName ?? "";
}

/** Fills in what the spec of a claim does not say. */
export function defaultClaimSpec(spec: PersistentVolumeClaimSpec | undefined): void {
  if (!spec) return;
  spec.volumeMode ??= "Filesystem";
}

/** A data source by its older field is one by the newer as well, and the other way round. */
function normalizeDataSources({ spec }: PersistentVolumeClaim): void {
  if (!spec) return;
  const { dataSource, dataSourceRef } = spec;
  if (dataSource && !dataSourceRef) spec.dataSourceRef = { ...dataSource };
  else if (!dataSource && dataSourceRef && !dataSourceRef.namespace)
    spec.dataSource = { apiGroup: dataSourceRef.apiGroup, kind: dataSourceRef.kind, name: dataSourceRef.name };
}

/** The rules of PersistentVolumeClaims. */
export const persistentVolumeClaimRules: KindRules<PersistentVolumeClaim> = {
  default(claim) {
    defaultClaimSpec(claim.spec);
    claim.status ??= {};
    claim.status.phase ||= "Pending";
  },
  prepareForCreate(claim) {
    normalizeDataSources(claim);
    claim.status = { phase: "Pending" };
    claim.metadata.finalizers ??= [];
    if (!claim.metadata.finalizers.includes(protection)) claim.metadata.finalizers.push(protection);
  },
  prepareForUpdate: normalizeDataSources,
  validate: (claim, old) => validateClaimSpec("spec", claim.spec, !old),
  validateUpdate(claim, old) {
    const { resources, volumeAttributesClassName, ...rest } = claim.spec;
    const { resources: oldResources, volumeAttributesClassName: oldAttributes, volumeName, storageClassName, ...oldRest } = old.spec;
    // A claim gets its volume and class once, after it was made.
    const allowed = { ...oldRest, volumeName: volumeName || rest.volumeName, storageClassName: storageClassName ?? rest.storageClassName };
    const bound = old.status?.phase === "Bound";
    const sameSize = semanticEqual(resources, oldResources) && volumeAttributesClassName === oldAttributes;
    const errors: FieldError[] = [];
    if (!semanticEqual(rest, allowed) || !(bound || sameSize))
      errors.push(fault.forbidden("spec", `${immutableText}\n${difference(goStruct(old.spec, goSpec), goStruct(claim.spec, goSpec))}`));
    errors.push(...fault.immutable("volumeMode", rest.volumeMode === oldRest.volumeMode, rest.volumeMode));
    const size = resources?.requests?.["storage"] ?? "0";
    const before = oldResources?.requests?.["storage"] ?? "0";
    const capacity = old.status?.capacity?.["storage"] ?? "0";
    if (compareQuantities(size, before) < 0 && compareQuantities(size, capacity) <= 0)
      errors.push(fault.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity"));
    return errors;
  },
  warnings({ metadata, spec }) {
    const annotation = "volume.beta.kubernetes.io/storage-class";
    const fraction = fractionalWarning("spec.resources.requests[storage]", spec.resources?.requests?.["storage"]);
    return [
      ...(metadata.annotations?.[annotation] === undefined
        ? []
        : [`metadata.annotations[${annotation}]: deprecated since v1.8; use "storageClassName" attribute instead`]),
      ...(fraction ? [fraction] : []),
    ];
  },
  cells(claim, now) {
    const { spec, status, metadata } = claim;
    const bound = Boolean(spec.volumeName);
    const storage = bound ? status?.capacity?.["storage"] : undefined;
    return [
      metadata.name,
      metadata.deletionTimestamp ? "Terminating" : (status?.phase ?? ""),
      spec.volumeName ?? "",
      bound ? canonicalQuantity(storage ?? "0") : "",
      bound ? shortAccessModes(status?.accessModes) : "",
      storageClassOf(claim),
      spec.volumeAttributesClassName ?? "<unset>",
      age(metadata.creationTimestamp, now),
      spec.volumeMode ?? "<unset>",
    ];
  },
};
