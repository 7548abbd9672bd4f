import type { ResourceInfo } from "../api/resource.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission/admission.ts";

/** What there is to do for the writes of one resource. */
interface Steps {
  readonly mutating: readonly AdmissionPlugin[];
  readonly validating: readonly AdmissionPlugin[];
}

/** All admission plugins in order: first everything that changes the object, then everything that checks it. */
export class AdmissionChain {
  private readonly plugins: readonly AdmissionPlugin[];
  private readonly known = new WeakMap<ResourceInfo, Steps>();

  constructor(plugins: readonly AdmissionPlugin[]) {
    this.plugins = plugins;
  }

  /** Waits only where a plugin does. */
  admit(request: AdmissionRequest): Promise<void> | void {
    const { mutating } = this.stepsFor(request.resource);
    const waiting = run(mutating, "admit", request);
    const again = (): Promise<void> | void => {
      if (request.pass !== "wants second") return;
      request.pass = "second";
      return run(mutating, "admit", request);
    };
    return waiting ? waiting.then(again) : again();
  }

  validate(request: AdmissionRequest): Promise<void> | void {
    return run(this.stepsFor(request.resource).validating, "validate", request);
  }

  private stepsFor(resource: ResourceInfo): Steps {
    let steps = this.known.get(resource);
    if (!steps) {
      const name = resource.group ? `${resource.plural}.${resource.group}` : resource.plural;
      const plugins = this.plugins.filter(({ resources }) => !resources || resources.includes(name));
      steps = { mutating: plugins.filter(({ admit }) => admit), validating: plugins.filter(({ validate }) => validate) };
      this.known.set(resource, steps);
    }
    return steps;
  }
}

function run(plugins: readonly AdmissionPlugin[], step: "admit" | "validate", request: AdmissionRequest, from = 0): Promise<void> | void {
  for (let i = from; i < plugins.length; i++) {
    const waiting = plugins[i]?.[step]?.(request);
    if (waiting) return waiting.then(() => run(plugins, step, request, i + 1));
  }
}

/** What a write has reserved on its way, to be given back when it fails. */
export class Reservations {
  private undos: (() => void)[] = [];

  add(undo: (() => void) | undefined): void {
    if (undo) this.undos.push(undo);
  }

  /** Gives everything back, the last first. */
  release(): void {
    for (const undo of this.undos.reverse()) undo();
    this.undos = [];
  }
}
