import { Reservations } from "../admission-chain.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import type { Call } from "../call.ts";
import type { CallSubresource, Reply } from "../resource-handler.ts";
import { admissionRequest, type VerbContext } from "../verbs/context.ts";

/** Does what a subresource does when it is posted to, if admission lets what was sent pass; that is given away. */
export async function createSubresource(context: VerbContext, call: Call, subresource: CallSubresource, sent: KubeObject): Promise<Reply> {
  const reservations = new Reservations();
  try {
    const request = admissionRequest(call, "CREATE", { object: sent, old: undefined }, reservations);
    const admitted = context.admission.admit(request);
    if (admitted) await admitted;
    const validated = context.admission.validate(request);
    if (validated) await validated;
    return await subresource.create(call, sent);
  } catch (error) {
    reservations.release();
    throw error;
  }
}
