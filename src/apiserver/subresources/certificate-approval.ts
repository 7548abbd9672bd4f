import type { KubeObject } from "../../api/meta/object.ts";
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from "../../api/types/certificates.v1.ts";
import type { Clock } from "../../lib/clock.ts";
import { copyOf, typed } from "../plain-data.ts";
import type { ObjectSubresource, ResourceHandler } from "../resource-handler.ts";
import { timestamp } from "../verbs/context.ts";

const decisions = new Set(["Approved", "Denied"]);
const isDecision = ({ type }: CertificateSigningRequestCondition): boolean => decisions.has(type);

/** certificatesigningrequests/NAME/approval changes the conditions only, NAME/status all of the status but the decision; both the metadata, too (KEP-1513). */
export function csrSubresource(handler: ResourceHandler, clock: Clock, part: "approval" | "status"): ObjectSubresource {
  return {
    shape: "object",
    schema: handler.schema,
    type: handler.info.type,
    apiVersion: handler.info.groupVersion,
    kind: handler.info.kind,
    verbs: ["get", "patch", "update"],
    show: (object) => object,
    merge(old, sent) {
      const request = typed<CertificateSigningRequest>(copyOf<KubeObject>({ ...old, metadata: sent.metadata }));
      const wanted = typed<CertificateSigningRequest>(sent).status ?? {};
      const before = request.status?.conditions ?? [];
      const now = timestamp(clock.now());
      if (part === "approval") request.status = { ...request.status, conditions: stamped(wanted.conditions ?? [], before, now) };
      else {
        const others = (wanted.conditions ?? []).filter((condition) => !isDecision(condition));
        request.status = { ...wanted, conditions: stamped([...before.filter(isDecision), ...others], before, now) };
      }
      if (request.status.conditions?.length === 0) delete request.status.conditions;
      return request;
    },
    validate: (object, old) => handler.rules.validateStatusUpdate?.(object, old) ?? [],
  };
}

/** The conditions with the times that clients may leave out. */
function stamped(
  conditions: readonly CertificateSigningRequestCondition[],
  before: readonly CertificateSigningRequestCondition[],
  now: string,
): CertificateSigningRequestCondition[] {
  return conditions.map((condition) => {
    const old = before.find(({ type }) => type === condition.type);
    const since = old?.status === condition.status ? old.lastTransitionTime : undefined;
    return {
      ...condition,
      lastUpdateTime: condition.lastUpdateTime ?? now,
      lastTransitionTime: condition.lastTransitionTime ?? since ?? now,
    };
  });
}
