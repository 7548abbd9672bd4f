import type { Status } from "../../api/types/meta.v1.ts";

/** What a client of exec or attach says, handed on to the container. Returns a promise when it is to wait. */
export interface ClientInput {
  data(channel: number, data: Buffer): Promise<void> | undefined;
  /** The client writes no more on that channel. */
  ended(channel: number): void;
  /** The client is gone. */
  closed(): void;
}

/** A client of exec or attach, whatever it speaks: WebSocket channels in several versions, or SPDY streams. */
export interface RemoteClient {
  /** Begins to hand on what the client says. */
  start(input: ClientInput): void;
  /** Gives the client output. Returns a promise when the sender is to wait. */
  deliver(channel: number, data: Buffer): Promise<void> | undefined;
  /** The last word: how the command ended. Closes once everything has been read. */
  finish(status: Status): void;
}
