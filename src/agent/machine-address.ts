import { createSocket } from "node:dgram";
import { once } from "node:events";
import { networkInterfaces } from "node:os";

/**
 * The address at which other machines reach this one: the source address of the default route, else the first that is not a loopback,
 * else 127.0.0.1. Nothing is sent.
 */
export async function machineAddress(): Promise<string> {
  const socket = createSocket("udp4");
  try {
    // A datagram socket's connect only looks the route up (192.0.2.0/24 is reserved for documentation).
    socket.connect(9, "192.0.2.254");
    await once(socket, "connect");
    const { address } = socket.address();
    if (address && address !== "0.0.0.0") return address;
  } catch {
    // No default route: go on with what the links say.
  } finally {
    socket.close();
  }
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return all.find((a) => a.family === "IPv4" && !a.internal)?.address ?? "127.0.0.1";
}
