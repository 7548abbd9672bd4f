import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { deepEqual } from "../meta/equality.ts";
import { forbiddenField, immutable, invalidForEach, oneOf, requiredValue } from "../meta/field-errors.ts";
import { checkDnsSubdomain } from "../meta/names.ts";
import { age } from "../meta/time.ts";
import type { CSIDriver, CSINode, CSIStorageCapacity, VolumeAttachment, VolumeAttributesClass } from "../types/storage.v1.ts";

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
  validate: ({ spec }) => [
    ...(spec.volumeLifecycleModes ?? []).flatMap((mode) => oneOf("spec.volumeLifecycleModes", mode, ["Persistent", "Ephemeral"])),
    ...oneOf("spec.fsGroupPolicy", spec.fsGroupPolicy, ["File", "None", "ReadWriteOnceWithFSType"]),
  ],
  validateUpdate: ({ spec }, old) =>
    immutable("spec.attachedRequired", spec.attachRequired === old.spec.attachRequired, spec.attachRequired),
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

/** The rules of CSINodes. */
export const csiNodeRules: KindRules<CSINode> = {
  validate: ({ spec }) =>
    (spec?.drivers ?? []).flatMap(({ name, nodeID }, i) => [
      ...(name ? [] : [requiredValue(`spec.drivers[${i}].name`)]),
      ...(nodeID ? [] : [requiredValue(`spec.drivers[${i}].nodeID`)]),
    ]),
  cells: ({ metadata, spec }, now) => [metadata.name, spec?.drivers?.length ?? 0, age(metadata.creationTimestamp, now)],
};

/** The rules of CSIStorageCapacities. */
export const csiStorageCapacityRules: KindRules<CSIStorageCapacity> = {
  validate: ({ storageClassName = "" }) => invalidForEach("storageClassName", storageClassName, checkDnsSubdomain(storageClassName)),
  validateUpdate: (next, old) => [
    ...immutable("nodeTopology", deepEqual(next.nodeTopology, old.nodeTopology), next.nodeTopology),
    ...immutable("storageClassName", next.storageClassName === old.storageClassName, next.storageClassName),
  ],
  cells: ({ metadata }) => [metadata.name, metadata.creationTimestamp ?? null],
};

/** The rules of VolumeAttachments. */
export const volumeAttachmentRules: KindRules<VolumeAttachment> = {
  validate({ spec }) {
    const errors: FieldError[] = [];
    if (!spec?.attacher) errors.push(requiredValue("spec.attacher"));
    if (!spec?.source?.persistentVolumeName && !spec?.source?.inlineVolumeSpec)
      errors.push(requiredValue("spec.source", "must specify exactly one of inlineVolumeSpec and persistentVolumeName"));
    errors.push(...invalidForEach("spec.nodeName", spec?.nodeName ?? "", checkDnsSubdomain(spec?.nodeName ?? "")));
    return errors;
  },
  validateUpdate: ({ spec }, old) => immutable("spec", deepEqual(spec, old.spec), spec),
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
    ...(driverName ? [] : [requiredValue("driverName")]),
    ...(Object.keys(parameters ?? {}).length > 0 ? [] : [requiredValue("parameters", "must contain at least one key/value pair")]),
  ],
  validateUpdate(next, old) {
    const errors: FieldError[] = [];
    if (next.driverName !== old.driverName) errors.push(forbiddenField("driverName", "updates to driverName are forbidden."));
    if (!deepEqual(next.parameters, old.parameters)) errors.push(forbiddenField("parameters", "updates to parameters are forbidden."));
    return errors;
  },
  cells: ({ metadata, driverName }, now) => [metadata.name, driverName, age(metadata.creationTimestamp, now)],
};
