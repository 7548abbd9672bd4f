import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { deepEqual } from "../meta/equality.ts";
import { forbiddenField, immutable, invalidForEach, oneOf, requiredValue } from "../meta/field-errors.ts";
import { checkQualifiedName } from "../meta/names.ts";
import { age } from "../meta/time.ts";
import type { StorageClass } from "../types/storage.v1.ts";

/** Marks the class that claims without one get. */
export const defaultClassAnnotation = "storageclass.kubernetes.io/is-default-class";

/** Whether claims without a class get this one. */
export function isDefaultClass({ metadata }: Pick<StorageClass, "metadata">): boolean {
  const { annotations } = metadata;
  return annotations?.[defaultClassAnnotation] === "true" || annotations?.["storageclass.beta.kubernetes.io/is-default-class"] === "true";
}

/** The rules of StorageClasses. */
export const storageClassRules: KindRules<StorageClass> = {
  default(storageClass) {
    storageClass.reclaimPolicy ||= "Delete";
    storageClass.volumeBindingMode ||= "Immediate";
  },
  validate({ provisioner = "", parameters = {}, reclaimPolicy, volumeBindingMode }) {
    const errors: FieldError[] = provisioner
      ? invalidForEach("provisioner", provisioner, checkQualifiedName(provisioner.toLowerCase()))
      : [requiredValue("provisioner")];
    for (const key of Object.keys(parameters))
      if (!key)
        errors.push({ ...requiredValue("parameters"), reason: "FieldValueInvalid", message: 'Invalid value: "": field can not be empty.' });
    errors.push(...oneOf("reclaimPolicy", reclaimPolicy, ["Delete", "Retain"]));
    errors.push(...oneOf("volumeBindingMode", volumeBindingMode, ["Immediate", "WaitForFirstConsumer"]));
    return errors;
  },
  validateUpdate(next, old) {
    const errors: FieldError[] = [];
    if (!deepEqual(next.parameters ?? {}, old.parameters ?? {}))
      errors.push(forbiddenField("parameters", "updates to parameters are forbidden."));
    if (next.provisioner !== old.provisioner) errors.push(forbiddenField("provisioner", "updates to provisioner are forbidden."));
    if (next.reclaimPolicy !== old.reclaimPolicy) errors.push(forbiddenField("reclaimPolicy", "updates to reclaimPolicy are forbidden."));
    return [...errors, ...immutable("volumeBindingMode", next.volumeBindingMode === old.volumeBindingMode, next.volumeBindingMode)];
  },
  cells(storageClass, now) {
    const { metadata, provisioner, reclaimPolicy, volumeBindingMode, allowVolumeExpansion } = storageClass;
    return [
      isDefaultClass(storageClass) ? `${metadata.name} (default)` : metadata.name,
      provisioner ?? "",
      reclaimPolicy ?? "Delete",
      volumeBindingMode ?? "<unset>",
      allowVolumeExpansion ?? false,
      age(metadata.creationTimestamp, now),
    ];
  },
};
