import type { AdmissionPlugin } from "../admission.ts";
import type { PolicyAdmissionOptions } from "./evaluation.ts";
import { mutatingPolicies } from "./mutating.ts";
import { validatingPolicies } from "./validating.ts";

/** The plugins MutatingAdmissionPolicy and ValidatingAdmissionPolicy, which come before those of webhooks. */
export function policyAdmission(options: PolicyAdmissionOptions): { plugins: AdmissionPlugin[]; close(): void } {
  const both = [mutatingPolicies(options), validatingPolicies(options)];
  return {
    plugins: both.map(({ plugin }) => plugin),
    close() {
      for (const { close } of both) close();
    },
  };
}
