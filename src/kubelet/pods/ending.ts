/** Whether a pod's work is to end, as a signal where somebody asks for one: most pods rest for most of their life, and need none. */
export class Ending {
  aborted = false;
  private controller: AbortController | undefined;

  get signal(): AbortSignal {
    if (!this.controller) {
      this.controller = new AbortController();
      if (this.aborted) this.controller.abort();
    }
    return this.controller.signal;
  }

  abort(): void {
    this.aborted = true;
    this.controller?.abort();
  }

  /** Nobody listens to the signal any more. */
  forgetSignal(): void {
    this.controller = undefined;
  }
}
