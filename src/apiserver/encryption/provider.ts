/** What was read of a stored value. */
export interface Opened {
  text: string;
  /** Which key it was written with: stale when that is not the writer of now. */
  writer: string;
}

/** One way to write values: all that is written with one key, or by one KMS plugin. */
export interface Provider {
  /** What its values begin with on the disk, as upstream's: "k8s:enc:aesgcm:v1:key1:"; "" for plain text. */
  readonly prefix: string;
  /** The key that values are written with now. Tells apart keys that bear the same name. */
  readonly writer: string;
  /** What comes after the prefix. `place` names the object: a value that was moved to another one cannot be opened. */
  seal(text: string, place: string): string;
  /** Throws or rejects when the key does not fit, or the value is not that of the place. */
  open(sealed: string, place: string): Promise<Opened> | Opened;
  /** Whether it can read what that writer has written. */
  reads(writer: string): boolean;
  /** Why nothing can be written now. */
  refusal?(): string | undefined;
  /** Why it is not well, for health checks. */
  problem?(): string | undefined;
  close?(): void;
}

/** Plain text: what is not encrypted. */
export const identity: Provider = {
  prefix: "",
  writer: "",
  seal: (text) => text,
  open: (text) => ({ text, writer: "" }),
  reads: (writer) => writer === "",
};
