import { readFileSync } from "node:fs";
import { Pool } from "undici";
import { usage } from "./process.ts";
import type { Running } from "./system.ts";

/** One request of a drive. */
export interface Sent {
  method: "POST" | "PATCH" | "GET";
  path: string;
  contentType?: string;
  body: string;
}

/** What a drive has measured: requests a second, and milliseconds of CPU that the server paid for each. */
export interface Driven {
  rate: number;
  cpu: number;
}

const connections = 64;

/** Sends requests 0 to count - 1 on 64 connections, for what the load generator does not know. Throws at a reply other than 2xx. */
export async function drive(server: Running, count: number, request: (index: number) => Sent): Promise<Driven> {
  const { access } = server;
  const identity = "token" in access ? {} : { cert: readFileSync(access.cert), key: readFileSync(access.key) };
  const pool = new Pool(server.server, { connections, connect: { ...identity, rejectUnauthorized: false } });
  const authorization = "token" in access ? { authorization: `Bearer ${access.token}` } : {};
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const { contentType = "application/json", ...sent } = request(next++);
      const reply = await pool.request({ ...sent, headers: { "content-type": contentType, accept: "application/json", ...authorization } });
      if (reply.statusCode >= 300) throw new Error(`${server.side}: ${sent.method} ${sent.path}: ${await reply.body.text()}`);
      await reply.body.dump();
    }
  };
  const pids = server.pids();
  const [cpu, began] = [usage(pids).cpu, performance.now()];
  try {
    await Promise.all(Array.from({ length: connections }, worker));
    return { rate: (count / (performance.now() - began)) * 1000, cpu: (usage(pids).cpu - cpu) / count };
  } finally {
    await pool.destroy();
  }
}
