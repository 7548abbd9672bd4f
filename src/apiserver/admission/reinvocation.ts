import { deepEqual } from "../../api/meta/equality.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import { copyOf } from "../plain-data.ts";
import type { AdmissionRequest } from "./admission.ts";

/** A webhook, or a policy with its binding and parameters. */
export interface Mutator {
  /** Tells it from all others. */
  id: string;
  spec: { reinvocationPolicy?: string };
}

/** What has happened to one request so far. */
interface Round {
  /** Webhooks that were called and may be called once more (reinvocationPolicy IfNeeded). */
  called: Set<string>;
  /** Those of them after which the object has changed. */
  again: Set<string>;
  /** The object when the webhooks had done with it. */
  left?: KubeObject;
}

/** Decides which mutating webhooks (or policies) are called once more: those that others, or the plugins' second run, have changed the object after. */
export class Reinvocation {
  private readonly rounds = new WeakMap<AdmissionRequest, Round>();

  begin(request: AdmissionRequest): void {
    const round = this.rounds.get(request);
    if (!round) this.rounds.set(request, { called: new Set(), again: new Set() });
    else if (!deepEqual(round.left, request.object)) moveAll(round);
  }

  mayCall(request: AdmissionRequest, { id }: Mutator): boolean {
    return request.pass !== "second" || !!this.rounds.get(request)?.again.has(id);
  }

  /** To be told of each call. A change makes the whole of admission run once more. */
  called(request: AdmissionRequest, { id, spec }: Mutator, changed: boolean): void {
    const round = this.rounds.get(request);
    if (!round) return;
    if (changed) {
      moveAll(round);
      if (request.pass !== "second") request.pass = "wants second";
    }
    if (spec.reinvocationPolicy === "IfNeeded") round.called.add(id);
  }

  end(request: AdmissionRequest): void {
    const round = this.rounds.get(request);
    if (round && request.pass === "wants second" && request.object) round.left = copyOf<KubeObject>(request.object);
  }
}

function moveAll({ called, again }: Round): void {
  for (const id of called) again.add(id);
  called.clear();
}
