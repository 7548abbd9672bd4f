import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { join } from "node:path";
import { parse } from "yaml";
import { Nodes } from "../../src/api/types/resources.ts";
import { Client } from "../../src/client/client.ts";
import { createHttpsTransport } from "../../src/client/https-transport.ts";
import { run, tree } from "./process.ts";
import { ending, type Place, pause, type Running, type Shape } from "./system.ts";
import { isTrue, until } from "../support/wait.ts";

/** The repository. */
export const root = new URL("../..", import.meta.url).pathname;

/** Starts hue (its bundle, unless another command is named) on an empty folder; resolves when /readyz answers, which it asks every 5 ms. */
export async function startHue(
  place: Place,
  { runtime = place.runtime, nodes = 0 }: Shape = {},
  [program = "", ...flags]: readonly string[] = [join(root, "bin/hue")],
): Promise<Running> {
  const { port, cidr } = place;
  if (await isReady(port)) throw new Error(`at port ${port} a server answers already: name ten free ports with --port`);
  const dataDir = mkdtempSync(join(place.folder, "hue-"));
  const args = [
    ...flags,
    "server",
    "--data-dir",
    dataDir,
    "--https-listen-port",
    String(port),
    "--kubelet-port",
    "0",
    "--node-name",
    "bench",
  ];
  args.push("--cluster-cidr", `10.${cidr}.0.0/16`, "--service-cidr", `10.${cidr + 1}.0.0/16`, "--cluster-dns", `10.${cidr + 1}.0.10`);
  args.push("--ingress-http-port", String(port + 1), "--ingress-https-port", String(port + 2), `--runtime=${runtime}`);
  if (nodes) args.push("--simulated-nodes", String(nodes));
  const started = performance.now();
  const log = `${dataDir}.log`;
  const child = spawn(program, args, { stdio: ["ignore", openSync(log, "w"), openSync(log, "a")] });
  const exited = once(child, "exit");
  const pid = child.pid ?? 0;
  let transport: ReturnType<typeof connect>["transport"] | undefined;
  const stop = ending(async () => {
    transport?.close();
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), 30_000);
    await exited;
    clearTimeout(late);
    if (runtime === "docker" && existsSync(join(dataDir, "cluster.json")))
      await run(join(root, "bin/hue"), ["cleanup", "--data-dir", dataDir]);
    rmSync(dataDir, { recursive: true, force: true });
  });
  const failed = exited.then(([code]) => {
    throw new Error(`hue ended with ${code}: ${readFileSync(log, "utf8").trim().split("\n").slice(-3).join("; ")}`);
  });
  failed.catch(() => {});
  await Promise.race([untilReady(port), failed]);
  const ready = performance.now() - started;
  const connection = connect(dataDir);
  transport = connection.transport;
  return {
    side: "hue",
    server: `https://127.0.0.1:${port}`,
    access: { cert: join(dataDir, "bench.crt"), key: join(dataDir, "bench.key") },
    client: connection.client,
    ready,
    started,
    pids: () => tree(pid),
    dataDir,
    stop,
  };
}

/** Resolves when that many nodes are Ready. */
export async function nodesReady(client: Client, count: number): Promise<void> {
  await until(client, { resource: Nodes }, (list) => list.filter((node) => isTrue(node.status.conditions, "Ready")).length >= count);
}

async function untilReady(port: number): Promise<void> {
  while (!(await isReady(port))) await pause(5);
}

/** Whether a server at that port says that it is ready. */
export function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    get({ host: "127.0.0.1", port, path: "/readyz", rejectUnauthorized: false, agent: false }, (reply) => {
      reply.resume();
      resolve(reply.statusCode === 200);
    }).on("error", () => resolve(false));
  });
}

/** Signs in as the administrator, whose certificate it also writes down for the load generator. */
function connect(dataDir: string) {
  const { clusters, users } = parse(readFileSync(join(dataDir, "kubeconfig.yaml"), "utf8"));
  const pem = (data: string): string => Buffer.from(data, "base64").toString();
  const certificate = { cert: pem(users[0].user["client-certificate-data"]), key: pem(users[0].user["client-key-data"]) };
  writeFileSync(join(dataDir, "bench.crt"), certificate.cert);
  writeFileSync(join(dataDir, "bench.key"), certificate.key, { mode: 0o600 });
  const ca = pem(clusters[0].cluster["certificate-authority-data"]);
  const transport = createHttpsTransport({ server: clusters[0].cluster.server, ca, certificate });
  return { transport, client: new Client(transport) };
}
