/**
 * Where hue's microseconds and bytes go: `node test/bench/profile.ts [--only create,get,list,watch] [--top 15] [--heap] [--kind pod]`.
 * Runs the sources, so that each function has its file, and loads them with the load generator. Samples tell which part of the main thread's
 * time each layer has (self time), the kernel how much CPU it was, so that a busy machine does not change the figures much.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { freePort } from "../support/hue.ts";
import { heapSums, perObject } from "./heap.ts";
import { nodesReady, root, startHue } from "./hue.ts";
import { Inspector } from "./inspector.ts";
import { layerOf, shares } from "./layers.ts";
import { type Loaded, load } from "./load.ts";
import { threads } from "./process.ts";
import { endAll, type Running } from "./system.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "create,get,update,list,page,watch" },
    n: { type: "string", default: "10000" },
    kind: { type: "string", default: "configmap" },
    top: { type: "string", default: "0" },
    heap: { type: "boolean", default: false },
    port: { type: "string", default: "7760" },
    cidr: { type: "string", default: "110" },
    /** Where the .cpuprofile files go, for a viewer. */
    out: { type: "string" },
  },
});
const objects = Number(values.n);

async function profile(server: Running, inspector: Inspector, op: string): Promise<void> {
  let results: Loaded[] = [];
  const [pid = 0] = server.pids();
  const before = threads(pid);
  const taken = await inspector.profile(async () => {
    results = await load(server, [op], { n: objects, kind: values.kind });
  });
  const { n = 1, perSecond = 0 } = results[0] ?? {};
  const cpu = new Map([...threads(pid)].map(([name, all]) => [name, ((all - (before.get(name) ?? 0)) * 1000) / n]));
  const main = cpu.get("main") ?? 0;
  if (values.out) writeFileSync(join(values.out, `${op}.cpuprofile`), JSON.stringify(taken));
  console.log(`\n${op}: ${perSecond.toFixed(0)} a second while profiled; microseconds of CPU an operation by thread`);
  print([...cpu].sort((a, b) => b[1] - a[1]));
  const layers = shares(taken, layerOf);
  console.log("  the main thread's by layer");
  print(layers.map(({ name, part }) => [name, part * main]));
  if (!Number(values.top)) return;
  const functions = shares(taken, (url, name, line) => `${layerOf(url, name)} ${name || `line ${line + 1} of ${url.split("/").at(-1)}`}`);
  console.log("  its functions in front");
  print(functions.slice(0, Number(values.top)).map(({ name, part }) => [name, part * main]));
}

/** Leaves out what is less than a hundredth. */
function print(lines: [string, number][]): void {
  const sum = lines.reduce((all, [, value]) => all + value, 0);
  for (const [name, value] of lines.filter(([, each]) => each > sum / 100)) console.log(`  ${value.toFixed(1).padStart(9)}  ${name}`);
}

async function heap(server: Running, inspector: Inspector): Promise<void> {
  const before = heapSums(await inspector.heapSnapshot());
  await load(server, ["create"], { n: objects, kind: values.kind });
  const after = heapSums(await inspector.heapSnapshot());
  console.log(`\nbytes of the heap that one of ${objects} ${values.kind}s holds, and of how many things`);
  for (const { name, bytes, count } of perObject(before, after, objects)) {
    console.log(`  ${bytes.toFixed(0).padStart(9)}  ${count.toFixed(1).padStart(6)}  ${name}`);
  }
}

const folder = mkdtempSync(join(tmpdir(), "hue-profile-"));
const port = Number(values.port);
const inspectorPort = await freePort();
const place = { folder, port, cidr: Number(values.cidr), reference: "", image: undefined, runtime: "simulated" as const };
const flags = ["--disable-warning=ExperimentalWarning", `--inspect=127.0.0.1:${inspectorPort}`];
try {
  const server = await startHue(place, {}, [process.execPath, ...flags, join(root, "src/cli/main.ts")]);
  await nodesReady(server.client, 1);
  const inspector = await Inspector.connect(inspectorPort);
  if (values.heap) await heap(server, inspector);
  else for (const op of values.only.split(",")) await profile(server, inspector, op);
  inspector.close();
} finally {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
}
