import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { type DecodedPacket, decode } from "dns-packet";

const patienceMilliseconds = 2000;

/** The machine's own resolvers, as /etc/resolv.conf names them; none of them this cluster's. */
export function machineResolvers(own: string, path = "/etc/resolv.conf"): string[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return [];
  }
  const servers = [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map((match) => match[1] ?? "");
  return servers.filter((server) => server !== own && server !== "");
}

/** Passes a query on, as it came, and gives the reply as it comes; undefined when no server answers. Truncated replies are asked for again over TCP. */
export async function askUpstream(servers: readonly string[], query: Buffer): Promise<Buffer | undefined> {
  for (const server of servers) {
    const reply = await overUdp(server, query);
    if (!reply) continue;
    return isTruncated(reply) ? ((await overTcp(server, query)) ?? reply) : reply;
  }
  return undefined;
}

function isTruncated(reply: Buffer): boolean {
  return ((reply[2] ?? 0) & 0x02) !== 0;
}

function overUdp(server: string, query: Buffer): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(server.includes(":") ? "udp6" : "udp4");
    const done = (reply?: Buffer): void => {
      clearTimeout(timer);
      socket.close();
      resolve(reply);
    };
    const timer = setTimeout(done, patienceMilliseconds);
    socket.on("error", () => done());
    socket.on("message", (reply) => {
      if (reply.length >= 12 && reply.readUInt16BE(0) === query.readUInt16BE(0)) done(reply);
    });
    socket.send(query, 53, server);
  });
}

function overTcp(server: string, query: Buffer): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: server, port: 53, timeout: patienceMilliseconds });
    const chunks: Buffer[] = [];
    const done = (reply?: Buffer): void => {
      socket.destroy();
      resolve(reply);
    };
    socket.on("error", () => done());
    socket.on("timeout", () => done());
    socket.on("close", () => done());
    socket.on("connect", () => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(query.length);
      socket.write(Buffer.concat([length, query]));
    });
    socket.on("data", (chunk) => {
      chunks.push(chunk);
      const all = Buffer.concat(chunks);
      if (all.length >= 2 && all.length >= 2 + all.readUInt16BE(0)) done(all.subarray(2, 2 + all.readUInt16BE(0)));
    });
  });
}

/** Reads a reply; undefined when it is garbage. */
export function readReply(reply: Buffer): DecodedPacket | undefined {
  try {
    return decode(reply);
  } catch {
    return undefined;
  }
}
