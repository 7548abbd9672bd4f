import { AsyncLocalStorage } from "node:async_hooks";

/** What the parts that serve a request can add to its audit events. */
export interface CurrentAudit {
  /** Adds an annotation, at level Request only where bodies are shown; the first value of a key counts. */
  readonly annotate: (key: string, value: string, level?: "Request") => void;
  /** What the client has sent, as it is now. Kept only where the policy wants it. */
  sent(object: unknown, isPatch?: boolean): void;
  /** Something unexpected has ended the request. */
  panicked(message: string): void;
}

let running: AsyncLocalStorage<CurrentAudit> | undefined;

/** The events of the request that is being served; undefined where nobody wants to know, at the cost of one look. */
export function currentAudit(): CurrentAudit | undefined {
  return running?.getStore();
}

/** Serves a request whose events these are. */
export function withAudit(audit: CurrentAudit, serve: () => void): void {
  running ??= new AsyncLocalStorage();
  running.run(audit, serve);
}
