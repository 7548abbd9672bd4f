import { Agent } from "node:https";
import { isIP } from "node:net";

/** How the API server speaks TLS with another server. */
export interface SecureTarget {
  /** PEM of who may have signed the server's certificate; undefined: the authorities that the machine trusts. */
  authorities: string | undefined;
  /** The name that the certificate must be for. */
  serverName: string;
  /** Takes any certificate. */
  insecure?: boolean;
  /** Shown to the server, PEM. */
  client?: { certificate: string; key: string };
}

/** So many targets are kept before those unused the longest are let go. */
const capacity = 200;

/** Kept-alive connections to other servers, apart by what TLS has to hold. */
export class SecureAgents {
  private readonly agents = new Map<string, Agent>();

  agent(target: SecureTarget): Agent {
    const { authorities, serverName, insecure = false, client } = target;
    const key = JSON.stringify([authorities, serverName, insecure, client?.certificate]);
    const agent =
      this.agents.get(key) ??
      new Agent({
        keepAlive: true,
        maxFreeSockets: 8,
        // An address is no name for TLS to send; the certificate is checked for it all the same.
        servername: isIP(serverName) ? "" : serverName,
        rejectUnauthorized: !insecure,
        ...(authorities === undefined ? {} : { ca: authorities }),
        ...(client ? { cert: client.certificate, key: client.key } : {}),
      });
    this.agents.delete(key);
    this.agents.set(key, agent);
    const [oldest] = this.agents;
    if (oldest && this.agents.size > capacity) {
      this.agents.delete(oldest[0]);
      // Requests that are on their way go on.
      for (const sockets of Object.values(oldest[1].freeSockets)) for (const socket of sockets ?? []) socket.destroy();
    }
    return agent;
  }

  close(): void {
    for (const agent of this.agents.values()) agent.destroy();
    this.agents.clear();
  }
}
