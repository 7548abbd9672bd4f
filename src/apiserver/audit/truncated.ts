import type { Logger } from "../../lib/log.ts";
import type { AuditEvent, Sink } from "./event.ts";

/**
 * Leaves out of events larger than `maxSize` bytes what was sent and answered, which an annotation tells; those that are still too large are
 * dropped, which the log says.
 */
export function truncated(sink: Sink, maxSize: number, log: Logger): Sink {
  const isTooLarge = (event: AuditEvent): boolean => Buffer.byteLength(JSON.stringify(event)) > maxSize;
  return {
    write(event) {
      if (!isTooLarge(event)) return sink.write(event);
      const { requestObject: _request, responseObject: _response, ...rest } = event;
      const cut = { ...rest, annotations: { ...event.annotations, "audit.k8s.io/truncated": "true" } };
      if (event.level !== "Metadata" && !isTooLarge(cut)) sink.write(cut);
      else log.error({ auditID: event.auditID }, "an audit event was dropped: it is too large even without what was sent and answered");
    },
    close: () => sink.close(),
  };
}
