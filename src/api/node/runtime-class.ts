import { validateLabelMap } from "../core/environment-validation.ts";
import { validateResources } from "../core/resource-validation.ts";
import { validateTolerations } from "../core/scheduling-validation.ts";
import type { KindRules } from "../kind.ts";
import { deepEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import { goStruct } from "../meta/go-struct.ts";
import { checkDnsLabel } from "../meta/names.ts";
import { age } from "../meta/time.ts";
import type { RuntimeClass } from "../types/node.v1.ts";

const goToleration = { Key: "", Operator: "", Value: "", Effect: "", TolerationSeconds: null };

/** The rules of RuntimeClasses. */
export const runtimeClassRules: KindRules<RuntimeClass> = {
  validate: ({ handler = "", scheduling, overhead }) => [
    ...fault.requiredAndChecked("handler", handler, checkDnsLabel),
    ...validateResources("overhead", { limits: overhead?.podFixed ?? {} }, new Set()),
    ...validateLabelMap("scheduling.nodeSelector", scheduling?.nodeSelector),
    ...validateTolerations("scheduling.tolerations", scheduling?.tolerations ?? []),
    ...(scheduling?.tolerations ?? []).flatMap((toleration, i, all) =>
      all.findIndex((other) => deepEqual(other, toleration)) < i
        ? [fault.duplicate(`scheduling.tolerations[${i}]`, goStruct(toleration, goToleration))]
        : [],
    ),
  ],
  validateUpdate: (next, old) => fault.immutable("handler", next.handler === old.handler, next.handler),
  cells: ({ metadata, handler }, now) => [metadata.name, handler, age(metadata.creationTimestamp, now)],
};
