import type { AdmissionPlugin, AdmissionRequest } from "../admission.ts";
import { refuse } from "../request.ts";

/** Does nothing; it is known by name only. */
export const alwaysAdmit: AdmissionPlugin = { name: "AlwaysAdmit" };

const deny = (request: AdmissionRequest): never => {
  throw refuse(request, "admission control is denying all modifications");
};

/** Refuses every write: for tests. */
export const alwaysDeny: AdmissionPlugin = { name: "AlwaysDeny", admit: deny, validate: deny };
