import { once } from "node:events";
import type { Server as HttpsServer } from "node:https";
import { type AddressInfo, createServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";

/** A port that is taken at once and served later: connections that come before that wait, and none is refused. */
export interface Port {
  readonly number: number;
  /** From now on this server gets the connections. */
  serve(https: HttpsServer): void;
  /** Ends it, with all connections. */
  close(): Promise<void>;
}

/** Takes the port; 0 finds a free one. Rejects with a sentence for the user when it cannot be had. */
export async function takePort(bindAddress: string, port: number): Promise<Port> {
  const early = new Set<Socket>();
  const server = createServer({ noDelay: true });
  server.on("connection", (socket) => {
    early.add(socket);
    socket.on("error", () => early.delete(socket));
  });
  server.listen(port, bindAddress);
  try {
    await once(server, "listening");
  } catch (error) {
    throw new Error(refusal(error, bindAddress, port));
  }
  let serving: HttpsServer | undefined;
  /** HTTP knows no more of these, so they are ended here: WebSockets, and streams of kubectl. */
  const upgraded = new Set<Duplex>();
  return {
    number: (server.address() as AddressInfo).port, // a TCP server that listens has an address with a port
    serve(https) {
      serving = https;
      https.on("upgrade", (_request, socket: Duplex) => {
        upgraded.add(socket);
        socket.once("close", () => upgraded.delete(socket));
      });
      https.listen(server);
      for (const socket of early) https.emit("connection", socket);
      early.clear();
    },
    async close() {
      for (const socket of [...early, ...upgraded]) socket.destroy();
      const open = serving ?? server;
      const closed = new Promise((resolve) => open.close(resolve));
      serving?.closeAllConnections();
      await closed;
    },
  };
}

function refusal(error: unknown, bindAddress: string, port: number): string {
  const code = error instanceof Error && "code" in error ? error.code : "";
  if (code === "EADDRINUSE") return `port ${port} is in use: stop what listens there, or choose another with --https-listen-port`;
  if (code === "EADDRNOTAVAIL") return `--bind-address: ${bindAddress} is not an address of this machine`;
  if (code === "EACCES") return `this user may not listen on port ${port}: choose one above 1023 with --https-listen-port`;
  return `the port ${port} cannot be had: ${error instanceof Error ? error.message : error}`;
}
