import type { KubeObject } from "../../api/meta/object.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Key, Reads, Store } from "../../store/store.ts";
import type { AdmissionRequest } from "../admission/admission.ts";
import type { AdmissionChain, Reservations } from "../admission-chain.ts";
import { currentAudit } from "../audit/current.ts";
import type { Call } from "../call.ts";

/** What gets and lists read from: the cluster as it is now, or was. */
export interface ReadContext {
  store: Reads;
}

/** The parts of the server that verbs work with. */
export interface VerbContext extends ReadContext {
  store: Store;
  clock: Clock;
  admission: AdmissionChain;
  /** A new metadata.uid. */
  newUid(): string;
  /** Five random characters for generateName. */
  nameSuffix(): string;
}

/** Where the call's object is stored. */
export function keyOfCall(call: Call): Key {
  return { resource: call.handler.storage, namespace: call.namespace, name: call.name };
}

let last = { second: Number.NaN, text: "" };

/** The time now as metadata writes it: "2026-01-01T00:00:00Z". Made once a second. */
export function timestamp(milliseconds: number): string {
  const second = Math.floor(milliseconds / 1000);
  if (second !== last.second) last = { second, text: new Date(second * 1000).toISOString().replace(".000Z", "Z") };
  return last.text;
}

/** The call as admission sees it. */
export function admissionRequest(
  call: Call,
  operation: AdmissionRequest["operation"],
  states: { object: KubeObject | undefined; old: KubeObject | undefined },
  reservations: Reservations,
): AdmissionRequest {
  return {
    operation,
    resource: call.handler.info,
    subresource: call.subresource,
    namespace: call.namespace,
    name: call.name,
    object: states.object,
    old: states.old,
    user: call.user,
    dryRun: call.dryRun,
    warn: call.warn,
    annotate: currentAudit()?.annotate,
    onFailure: (undo) => reservations.add(undo),
  };
}
