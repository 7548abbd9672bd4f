import { connect } from "node:net";
import type { ProbeResult } from "./probe.ts";

/** One TCP probe: that a connection opens is a success. The timeout in milliseconds. */
export function probeTCP(host: string, port: number, timeout: number): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout });
    const end = (result: ProbeResult): void => {
      socket.destroy();
      resolve(result);
    };
    socket.once("connect", () => end({ outcome: "success", output: "" }));
    socket.once("timeout", () => end({ outcome: "failure", output: `dial tcp ${host}:${port}: i/o timeout` }));
    socket.once("error", (error: NodeJS.ErrnoException) => {
      const why = error.code === "ECONNREFUSED" ? "connection refused" : error.code === "EHOSTUNREACH" ? "no route to host" : error.message;
      end({ outcome: "failure", output: `dial tcp ${host}:${port}: connect: ${why}` });
    });
  });
}
