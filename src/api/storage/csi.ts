import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { deepEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import { goStruct } from "../meta/go-struct.ts";
import { validateLabelSelector } from "../meta/labels.ts";
import { checkDnsSubdomain, checkQualifiedName } from "../meta/names.ts";
import { age } from "../meta/time.ts";
import type {
  CSIDriver,
  CSINode,
  CSINodeDriver,
  CSIStorageCapacity,
  VolumeAttachment,
  VolumeAttributesClass,
} from "../types/storage.v1.ts";

/** The rules of CSIDrivers. */
export const csiDriverRules: KindRules<CSIDriver> = {
  default({ spec }) {
    spec.attachRequired ??= true;
    spec.podInfoOnMount ??= false;
    spec.storageCapacity ??= false;
    spec.fsGroupPolicy ??= "ReadWriteOnceWithFSType";
    spec.requiresRepublish ??= false;
    spec.seLinuxMount ??= false;
    if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ["Persistent"];
  },
  prepareForUpdate({ metadata, spec }, old) {
    // Unlike other kinds' it starts with the first change.
    if (!deepEqual(spec, old.spec)) metadata.generation = (old.metadata.generation ?? 0) + 1;
  },
  validate: ({ spec }) => [
    ...(spec.volumeLifecycleModes ?? []).flatMap((mode) => fault.supported("spec.volumeLifecycleModes", mode, ["Persistent", "Ephemeral"])),
    ...fault.supported("spec.fsGroupPolicy", spec.fsGroupPolicy, ["File", "None", "ReadWriteOnceWithFSType"]),
    ...(spec.tokenRequests ?? []).flatMap(({ audience, expirationSeconds }, i, all) => {
      const field = `spec.tokenRequests[${i}]`;
      return [
        ...(all.findIndex((other) => other.audience === audience) < i ? [fault.duplicate(`${field}.audience`, audience)] : []),
        ...(expirationSeconds === undefined ? [] : validateExpiration(`${field}.expirationSeconds`, expirationSeconds)),
      ];
    }),
  ],
  validateUpdate: ({ spec }, old) => [
    ...fault.immutable("spec.attachedRequired", spec.attachRequired === old.spec.attachRequired, spec.attachRequired),
    ...fault.immutable(
      "spec.volumeLifecycleModes",
      deepEqual(spec.volumeLifecycleModes, old.spec.volumeLifecycleModes),
      spec.volumeLifecycleModes,
    ),
  ],
  warnings: ({ spec }, old) =>
    (!old || !deepEqual(spec.tokenRequests, old.spec.tokenRequests)) &&
    spec.tokenRequests?.length &&
    spec.serviceAccountTokenInSecrets === undefined
      ? [
          "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes",
        ]
      : [],
  cells: ({ metadata, spec }, now) => [
    metadata.name,
    spec.attachRequired ?? true,
    spec.podInfoOnMount ?? false,
    spec.storageCapacity ?? false,
    (spec.tokenRequests ?? []).map(({ audience }) => audience).join(",") || "<unset>",
    spec.requiresRepublish ?? false,
    (spec.volumeLifecycleModes ?? []).join(",") || "<none>",
    age(metadata.creationTimestamp, now),
  ],
};

/** What is wrong with the name of a driver: at most 63 characters of a DNS subdomain, big letters allowed. */
export function validateDriverName(field: string, name: string | undefined): FieldError[] {
  if (!name) return [fault.required(field)];
  const long = name.length > 63 ? [fault.tooLong(field, 63)] : [];
  return [...long, ...fault.invalidEach(field, name, checkDnsSubdomain(name.toLowerCase()))];
}

function validateExpiration(field: string, seconds: number): FieldError[] {
  if (seconds < 600) return [fault.invalid(field, seconds, "may not specify a duration less than 10 minutes")];
  return seconds > 2 ** 32 ? [fault.invalid(field, seconds, "may not specify a duration larger than 2^32 seconds")] : [];
}

const goDriver = {
  Name: "",
  NodeID: "",
  TopologyKeys: null,
  // May change: left out of the comparison.
  Allocatable: () => null,
};

/** How many volumes a node can have may change. */
function sameDriver(a: CSINodeDriver, b: CSINodeDriver): boolean {
  return a.nodeID === b.nodeID && deepEqual(a.topologyKeys ?? null, b.topologyKeys ?? null);
}

/** The rules of CSINodes. */
export const csiNodeRules: KindRules<CSINode> = {
  validate: ({ spec }) =>
    (spec?.drivers ?? []).flatMap(({ name, nodeID = "", topologyKeys: given, allocatable }, i, all) => {
      const topologyKeys = given ?? [];
      const field = `spec.drivers[${i}]`;
      return [
        ...validateDriverName(`${field}.name`, name),
        ...(nodeID ? [] : [fault.required(`${field}.nodeID`)]),
        ...(nodeID.length > 256 ? [fault.invalid(`${field}.nodeID`, nodeID, "must be 256 characters or less")] : []),
        ...fault.nonNegative(`${field}.allocatable.count`, allocatable?.count),
        ...(all.findIndex((other) => other.name === name) < i ? [fault.duplicate(`${field}.name`, name)] : []),
        ...topologyKeys.flatMap((key, j) => [
          ...(topologyKeys.indexOf(key) < j ? [fault.duplicate(field, key)] : []),
          ...(key ? [] : [fault.required(field)]),
          ...fault.checked(field, key, checkQualifiedName),
        ]),
      ];
    }),
  validateUpdate: ({ spec }, old) =>
    (spec?.drivers ?? []).flatMap((driver) => {
      const before = old.spec?.drivers?.find(({ name }) => name === driver.name);
      return fault.immutable("spec.drivers", !before || sameDriver(driver, before), goStruct(driver, goDriver));
    }),
  cells: ({ metadata, spec }, now) => [metadata.name, spec?.drivers?.length ?? 0, age(metadata.creationTimestamp, now)],
};

/** The rules of CSIStorageCapacities. */
export const csiStorageCapacityRules: KindRules<CSIStorageCapacity> = {
  validate: ({ storageClassName = "", nodeTopology }) => [
    ...validateLabelSelector("nodeTopology", nodeTopology),
    ...fault.checked("storageClassName", storageClassName, checkDnsSubdomain),
  ],
  validateUpdate: (next, old) => [
    ...fault.immutable("nodeTopology", deepEqual(next.nodeTopology, old.nodeTopology), next.nodeTopology),
    ...fault.immutable("storageClassName", next.storageClassName === old.storageClassName, next.storageClassName),
  ],
  cells: ({ metadata }) => [metadata.name, metadata.creationTimestamp ?? null],
};

const goAttachment = { Attacher: "", Source: { PersistentVolumeName: null, InlineVolumeSpec: null }, NodeName: "" };

/** The rules of VolumeAttachments. */
export const volumeAttachmentRules: KindRules<VolumeAttachment> = {
  validate({ spec }) {
    const errors: FieldError[] = validateDriverName("spec.attacher", spec?.attacher);
    const { persistentVolumeName, inlineVolumeSpec } = spec?.source ?? {};
    if (persistentVolumeName === undefined && !inlineVolumeSpec)
      errors.push(fault.required("spec.source", "must specify exactly one of inlineVolumeSpec and persistentVolumeName"));
    if (persistentVolumeName === "")
      errors.push(fault.required("spec.source.persistentVolumeName", "must specify non empty persistentVolumeName"));
    errors.push(...fault.checkedIfSet("spec.source.persistentVolumeName", persistentVolumeName, checkDnsSubdomain));
    return [...errors, ...fault.checked("spec.nodeName", spec?.nodeName ?? "", checkDnsSubdomain)];
  },
  validateUpdate: ({ spec }, old) => fault.immutable("spec", deepEqual(spec, old.spec), goStruct(spec, goAttachment)),
  cells: ({ metadata, spec, status }, now) => [
    metadata.name,
    spec.attacher,
    spec.source?.persistentVolumeName ?? "",
    spec.nodeName,
    status?.attached ?? false,
    age(metadata.creationTimestamp, now),
  ],
};

/** The rules of VolumeAttributesClasses. */
export const volumeAttributesClassRules: KindRules<VolumeAttributesClass> = {
  prepareForCreate({ metadata }) {
    metadata.finalizers = [...new Set([...(metadata.finalizers ?? []), "kubernetes.io/vac-protection"])];
  },
  validate: ({ driverName, parameters }) => [
    ...(driverName
      ? fault.invalidEach("driverName", driverName.toLowerCase(), checkQualifiedName(driverName.toLowerCase()))
      : [fault.required("driverName")]),
    ...(Object.keys(parameters ?? {}).length > 0 ? [] : [fault.required("parameters", "must contain at least one key/value pair")]),
  ],
  validateUpdate(next, old) {
    const errors: FieldError[] = [];
    if (next.driverName !== old.driverName) errors.push(fault.forbidden("driverName", "updates to driverName are forbidden."));
    if (!deepEqual(next.parameters, old.parameters)) errors.push(fault.forbidden("parameters", "updates to parameters are forbidden."));
    return errors;
  },
  cells: ({ metadata, driverName }, now) => [metadata.name, driverName, age(metadata.creationTimestamp, now)],
};
