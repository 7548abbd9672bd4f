import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { deepEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import { checkQualifiedName } from "../meta/names.ts";
import { age } from "../meta/time.ts";
import type { TopologySelectorTerm } from "../types/core.v1.ts";
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
    storageClass.reclaimPolicy ??= "Delete";
    storageClass.volumeBindingMode ??= "Immediate";
  },
  validate({ provisioner = "", parameters = {}, reclaimPolicy, volumeBindingMode, allowedTopologies = [] }) {
    const errors: FieldError[] = provisioner
      ? fault.invalidEach("provisioner", provisioner.toLowerCase(), checkQualifiedName(provisioner.toLowerCase()))
      : [fault.required("provisioner")];
    for (const key of Object.keys(parameters))
      if (!key)
        errors.push({
          ...fault.required("parameters"),
          reason: "FieldValueInvalid",
          message: 'Invalid value: "": field can not be empty.',
        });
    if (reclaimPolicy) errors.push(...fault.supported("reclaimPolicy", reclaimPolicy, ["Delete", "Retain"]));
    errors.push(
      ...fault.supported("volumeBindingMode", volumeBindingMode, ["Immediate", "WaitForFirstConsumer"]),
      ...validateTopologies(allowedTopologies),
    );
    return errors;
  },
  validateUpdate: (next, old) => [
    ...fault.immutable("parameters", deepEqual(next.parameters ?? {}, old.parameters ?? {}), next.parameters ?? null),
    ...(["provisioner", "reclaimPolicy", "volumeBindingMode"] as const).flatMap((key) =>
      fault.immutable(key, next[key] === old[key], next[key]),
    ),
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

function validateTopologies(terms: readonly TopologySelectorTerm[]): FieldError[] {
  // Upstream compares with as many empty terms, too, as there are terms.
  const seen: Record<string, string[]>[] = terms.map(() => ({}));
  return terms.flatMap(({ matchLabelExpressions = [] }, i) => {
    const field = `allowedTopologies[${i}].matchLabelExpressions`;
    const chosen: Record<string, string[]> = {};
    const errors = matchLabelExpressions.flatMap(({ key = "", values = [] }, j) => {
      const twice = Object.hasOwn(chosen, key) ? [fault.duplicate(`${field}[${j}].key`, key)] : [];
      chosen[key] = [...values].sort();
      return [
        ...(values.length === 0 ? [fault.required(`${field}[${j}].values`)] : []),
        ...values.flatMap((value, k) => (values.indexOf(value) < k ? [fault.duplicate(`${field}[${j}].values[${k}]`, value)] : [])),
        ...fault.checked(`${field}[${j}].key`, key, checkQualifiedName),
        ...twice,
      ];
    });
    errors.push(...seen.filter((other) => deepEqual(other, chosen)).map(() => fault.duplicate(field, "")));
    seen.push(chosen);
    return errors;
  });
}
