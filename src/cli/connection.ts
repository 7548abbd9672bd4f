import { existsSync, readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { get, type RequestOptions } from "node:https";
import { join, resolve } from "node:path";
import { text as body } from "node:stream/consumers";
import { parse } from "yaml";
import { Client } from "../client/client.ts";
import type { Kubeconfig } from "../pki/kubeconfig.ts";
import { defaultDataDir, text } from "./commands/node-options.ts";
import type { Option, OptionValues } from "./options.ts";
import { UsageError } from "./usage-error.ts";

/** How a command that asks a running server finds it. */
export const connectionOptions: readonly Option[] = [
  {
    flag: "data-dir",
    type: "string",
    value: "DIR",
    description: "The server's data folder, which holds the administrator's kubeconfig.yaml",
  },
  { flag: "kubeconfig", type: "string", value: "FILE", description: "A kubeconfig to use instead" },
];

/** The administrator's kubeconfig. Throws UsageError when it is not there or cannot be read. */
export function findKubeconfig(options: OptionValues, env: NodeJS.ProcessEnv): { path: string; content: Kubeconfig } {
  const dataDir = text(options, "data-dir") || defaultDataDir(env);
  const path = resolve(text(options, "kubeconfig") || join(dataDir, "kubeconfig.yaml"));
  if (!existsSync(path)) throw new UsageError(`${path} is not there: start hue server first, or give its folder with --data-dir`, 1);
  try {
    return { path, content: parse(readFileSync(path, "utf8")) };
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${error instanceof Error ? error.message : error}`, 1);
  }
}

/** A client for the cluster of that kubeconfig, its server's address, how to read its metrics, and how to close it. */
export async function connect(
  options: OptionValues,
  env: NodeJS.ProcessEnv,
): Promise<{ client: Client; server: string; metrics: () => Promise<Map<string, number>>; close: () => void }> {
  const { path, content } = findKubeconfig(options, env);
  const cluster = content.clusters?.[0]?.cluster;
  const user = content.users?.[0]?.user;
  if (!cluster || !user) throw new UsageError(`${path} names no cluster or no user`, 1);
  const pem = (data: string): string => Buffer.from(data, "base64").toString();
  const { createHttpsTransport } = await import("../client/https-transport.ts");
  const { server } = cluster;
  const ca = pem(cluster["certificate-authority-data"]);
  const credentials =
    "token" in user
      ? { token: user.token }
      : { certificate: { key: pem(user["client-key-data"]), cert: pem(user["client-certificate-data"]) } };
  const transport = createHttpsTransport({ server, ca, ...credentials });
  const headers = "token" in user ? { authorization: `Bearer ${user.token}` } : {};
  const metrics = (): Promise<Map<string, number>> => readMetrics(`${server}/metrics`, { ca, ...credentials.certificate, headers });
  return { client: new Client(transport), server, metrics, close: () => transport.close() };
}

/** The samples by their names, with labels where they have some; none when the server does not show them to this user. */
async function readMetrics(url: string, options: RequestOptions): Promise<Map<string, number>> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => get(url, options, resolve).on("error", reject));
  return new Map([...(await body(response)).matchAll(/^(\w+(?:\{.*\})?) (\S+)$/gm)].map(([, name = "", value]) => [name, Number(value)]));
}
