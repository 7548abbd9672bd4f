import type { Duplex } from "node:stream";

/** After an upgrade: bytes go both ways, those first that the client has sent already, until one side ends. */
export function tunnelBetween(client: Duplex, head: Buffer, backend: Duplex): void {
  if (head.length > 0) backend.write(head);
  for (const [from, to] of [
    [client, backend],
    [backend, client],
  ] as const) {
    from.on("error", () => to.destroy());
    from.once("close", () => to.destroy());
    from.pipe(to);
  }
}
