import type { AdmissionPlugin, AdmissionRequest } from "./admission/admission.ts";

/** All admission plugins in order: first everything that changes the object, then everything that checks it. */
export class AdmissionChain {
  private readonly mutating: readonly AdmissionPlugin[];
  private readonly validating: readonly AdmissionPlugin[];

  constructor(plugins: readonly AdmissionPlugin[]) {
    this.mutating = plugins.filter((plugin) => plugin.admit);
    this.validating = plugins.filter((plugin) => plugin.validate);
  }

  async admit(request: AdmissionRequest): Promise<void> {
    await this.mutate(request);
    if (request.pass !== "wants second") return;
    request.pass = "second";
    await this.mutate(request);
  }

  private async mutate(request: AdmissionRequest): Promise<void> {
    for (const plugin of this.mutating) {
      const waiting = plugin.admit?.(request);
      if (waiting) await waiting;
    }
  }

  async validate(request: AdmissionRequest): Promise<void> {
    for (const plugin of this.validating) {
      const waiting = plugin.validate?.(request);
      if (waiting) await waiting;
    }
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
