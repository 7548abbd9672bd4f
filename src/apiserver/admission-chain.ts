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

  async admit(request: AdmissionRequest): Promise<void> {
    await this.mutate(request);
    if (request.pass !== "wants second") return;
    request.pass = "second";
    await this.mutate(request);
  }

  private async mutate(request: AdmissionRequest): Promise<void> {
    for (const plugin of this.stepsFor(request.resource).mutating) {
      const waiting = plugin.admit?.(request);
      if (waiting) await waiting;
    }
  }

  async validate(request: AdmissionRequest): Promise<void> {
    for (const plugin of this.stepsFor(request.resource).validating) {
      const waiting = plugin.validate?.(request);
      if (waiting) await waiting;
    }
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
