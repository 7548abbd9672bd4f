/** Characters of live events. A client that has this much unread is cut off: it can watch on from its last revision. */
export const unreadLimit = 32 * 1024 * 1024;

/** A line of text, or a frame of bytes. */
export type Line = string | Buffer;

/** The way of one watch's events to its client. */
export interface EventStream {
  readonly closed: boolean;
  onClose(call: () => void): void;
  write(line: Line): void;
  /** From now on counts what is not read: the state at the beginning may be of any size. */
  live(): void;
  /** Sends what is left, and ends. */
  end(): void;
}
