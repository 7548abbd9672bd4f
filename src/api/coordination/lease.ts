import type { KindRules } from "../kind.ts";
import * as fault from "../meta/field-errors.ts";
import { age } from "../meta/time.ts";
import type { Lease } from "../types/coordination.v1.ts";

/** The rules of Leases. */
export const leaseRules: KindRules<Lease> = {
  validate: ({ spec }) => [
    ...fault.positive("spec.leaseDurationSeconds", spec?.leaseDurationSeconds),
    ...fault.nonNegative("spec.leaseTransitions", spec?.leaseTransitions),
  ],
  cells: ({ metadata, spec }, now) => [metadata.name, spec?.holderIdentity ?? "", age(metadata.creationTimestamp, now)],
};
