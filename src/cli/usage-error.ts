/** A mistake of the user's: printed as one line, without a stack trace. Exit code 2 for wrong flags, 1 for everything else. */
export class UsageError extends Error {
  readonly exitCode: 1 | 2;

  constructor(message: string, exitCode: 1 | 2 = 2) {
    super(message);
    this.exitCode = exitCode;
  }
}
