import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { deepEqual } from "../meta/equality.ts";
import { immutable, invalidForEach, oneOf, requiredValue } from "../meta/field-errors.ts";
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
  validateUpdate: (next, old) => [
    ...immutable("parameters", deepEqual(next.parameters ?? {}, old.parameters ?? {}), next.parameters ?? {}),
    ...(["provisioner", "reclaimPolicy", "volumeBindingMode"] as const).flatMap((key) => immutable(key, next[key] === old[key], next[key])),
  ],
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
