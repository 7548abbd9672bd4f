import { existsSync, readFileSync } from "node:fs";
import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { get } from "node:https";
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

/** A running server, and what its user shows it. */
export interface Server {
  /** https://127.0.0.1:6443 */
  url: string;
  tls: { ca: string; key?: string; cert?: string };
  token?: string;
}

/** The server of that kubeconfig. Throws UsageError. */
export function findServer(options: OptionValues, env: NodeJS.ProcessEnv): Server {
  const { path, content } = findKubeconfig(options, env);
  const cluster = content.clusters?.[0]?.cluster;
  const user = content.users?.[0]?.user;
  if (!cluster || !user) throw new UsageError(`${path} names no cluster or no user`, 1);
  const pem = (data: string): string => Buffer.from(data, "base64").toString();
  const { server: url } = cluster;
  const ca = pem(cluster["certificate-authority-data"]);
  if ("token" in user) return { url, tls: { ca }, token: user.token };
  return { url, tls: { ca, key: pem(user["client-key-data"]), cert: pem(user["client-certificate-data"]) } };
}

/** A client for the cluster of that kubeconfig, its server's address, how to read its metrics, and how to close it. */
export async function connect(
  options: OptionValues,
  env: NodeJS.ProcessEnv,
): Promise<{ client: Client; server: string; metrics: () => Promise<Map<string, number>>; close: () => void }> {
  const server = findServer(options, env);
  const { key, cert, ca } = server.tls;
  const { createHttpsTransport } = await import("../client/https-transport.ts");
  const credentials = key && cert ? { certificate: { key, cert } } : { token: server.token ?? "" };
  const transport = createHttpsTransport({ server: server.url, ca, ...credentials });
  return { client: new Client(transport), server: server.url, metrics: () => readMetrics(server), close: () => transport.close() };
}

/** The answer to a GET of the server's. Rejects with UsageError when it cannot be reached. */
export function ask({ url, tls, token }: Server, path: string, headers: OutgoingHttpHeaders = {}): Promise<IncomingMessage> {
  const all = { ...headers, ...(token ? { authorization: `Bearer ${token}` } : {}) };
  return new Promise((resolve, reject) => {
    get(url + path, { ...tls, headers: all }, resolve).on("error", (error) =>
      reject(new UsageError(`the server at ${url} does not answer: ${error.message}`, 1)),
    );
  });
}

/** The samples by their names, with labels where they have some; none when the server does not show them to this user. */
async function readMetrics(server: Server): Promise<Map<string, number>> {
  const page = await body(await ask(server, "/metrics"));
  return new Map([...page.matchAll(/^(\w+(?:\{.*\})?) (\S+)$/gm)].map(([, name = "", value]) => [name, Number(value)]));
}
