import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Client } from "../../src/client/client.ts";
import { createHttpsTransport } from "../../src/client/https-transport.ts";
import { isReady } from "./hue.ts";
import { cache, load } from "./load.ts";
import { hasProgram, run } from "./process.ts";
import { ending, type Place, type Running, type Shape } from "./system.ts";

const programs = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kine"];

/** Why there can be no reference, in words for the user; undefined when there can. */
export function whyNoReference(folder: string): string | undefined {
  if (!existsSync(join(folder, "up"))) return `no reference at ${folder}: name the folder of its scripts with --reference DIR`;
  if (!hasProgram("go")) return "Go is not on the PATH, and the reference and the load generator are built with it";
  if (!programs.every((name) => existsSync(join(cache, name))))
    console.error(`building the reference into ${cache}: about fifteen minutes`);
  return undefined;
}

/** Builds the load generator, and on the first call on a machine the reference. */
export async function buildReference(folder: string): Promise<void> {
  await run(join(folder, "build"), []);
}

/** Starts upstream's API server, controllers and scheduler on kine and an empty folder. */
export async function startReference(place: Place, { nodes = 0 }: Shape = {}): Promise<Running> {
  const port = place.port + 5;
  if (await isReady(port)) throw new Error(`at port ${port} a server answers already: name ten free ports with --port`);
  const dataDir = mkdtempSync(join(place.folder, "reference-"));
  const env = { ...process.env, HUE_REFERENCE_STATE: dataDir, HUE_REFERENCE_PORT: String(port) };
  let transport: ReturnType<typeof createHttpsTransport> | undefined;
  const started = performance.now();
  const up = run(join(place.reference, "up"), ["kine"], { env });
  const stop = ending(async () => {
    transport?.close();
    await up.catch(() => {}); // what it has not started yet, down would not find
    await run(join(place.reference, "down"), [], { env });
    rmSync(dataDir, { recursive: true, force: true });
  });
  const text = await up;
  const pids = /pids ([\d,]+)/.exec(text)?.[1]?.split(",").map(Number) ?? [];
  const server = `https://127.0.0.1:${port}`;
  transport = createHttpsTransport({ server, ca: readFileSync(join(dataDir, "certs/apiserver.crt"), "utf8"), token: "admin" });
  const running: Running = {
    side: "reference",
    server,
    access: { token: "admin" },
    client: new Client(transport),
    ready: Number(/ready in (\d+) ms/.exec(text)?.[1]),
    started,
    pids: () => pids,
    dataDir,
    stop,
  };
  if (nodes) await load(running, ["nodes"], { nodes });
  return running;
}
