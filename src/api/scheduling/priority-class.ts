import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import * as fault from "../meta/field-errors.ts";
import { age } from "../meta/time.ts";
import type { PriorityClass } from "../types/scheduling.v1.ts";

const highest = 1_000_000_000;
const system: Readonly<Record<string, number>> = { "system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000 };

/** The rules of PriorityClasses. */
export const priorityClassRules: KindRules<PriorityClass> = {
  fixedGeneration: true,
  default(priorityClass) {
    priorityClass.preemptionPolicy ??= "PreemptLowerPriority";
  },
  validate({ metadata, value = 0, preemptionPolicy }, old) {
    if (old) return [];
    const errors: FieldError[] = [];
    const { name = "" } = metadata;
    if (name.startsWith("system-")) {
      if (system[name] !== value)
        errors.push(
          fault.forbidden(
            "metadata.name",
            "priority class names with 'system-' prefix are reserved for system use only. error: " +
              (system[name] === undefined
                ? `${name} is not a known system priority class`
                : `value of ${name} PriorityClass must be ${system[name]}`),
          ),
        );
    } else if (value > highest) errors.push(fault.forbidden("value", `maximum allowed value of a user defined priority is ${highest}`));
    return [...errors, ...fault.oneOf("preemptionPolicy", preemptionPolicy, ["PreemptLowerPriority", "Never"])];
  },
  validateUpdate({ value, preemptionPolicy }, old) {
    const errors: FieldError[] = [];
    if (value !== old.value) errors.push(fault.forbidden("value", "may not be changed in an update."));
    if (preemptionPolicy !== old.preemptionPolicy)
      errors.push({
        reason: "FieldValueInvalid",
        field: "preemptionPolicy",
        message: `Invalid value: ${JSON.stringify(preemptionPolicy)}: field is immutable`,
      });
    return errors;
  },
  cells: ({ metadata, value, globalDefault, preemptionPolicy }, now) => [
    metadata.name,
    value ?? 0,
    globalDefault ?? false,
    age(metadata.creationTimestamp, now),
    preemptionPolicy ?? "",
  ],
};
