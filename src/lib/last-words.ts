import type { Duplex } from "node:stream";

/**
 * Ends a connection that nobody reads from with these words. What the other side still sends is read and dropped: a socket with unread
 * bytes never closes by itself, and stays when the other side is long gone.
 */
export function endWith(socket: Duplex, words: string): void {
  socket.on("error", () => socket.destroy());
  socket.resume();
  socket.end(words, () => socket.destroy());
}
