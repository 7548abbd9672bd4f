import { nodesReady } from "./hue.ts";
import { type Loaded, load } from "./load.ts";
import { usage } from "./process.ts";
import { type Bench, pause, type Running, type Scenario } from "./system.ts";

const objects = 10_000;

/** The life of one server: start, memory, ten thousand objects, requests of each sort, memory again. */
export const requests: Scenario = {
  works: ["start", "memory", "create", "create1", "get", "update", "list", "page", "select", "watch", "loaded"],
  sides: ["hue", "reference"],
  async run(bench) {
    const server = await bench.start();
    bench.record("start.time", server.ready);
    if (server.side === "hue") await nodesReady(server.client, 1);
    if (bench.wants("memory")) {
      await pause(bench.form.settle * 1000);
      bench.record("memory.memory", usage(server.pids()).resident);
    }
    await loadAll(bench, server);
    if (bench.wants("loaded")) {
      await pause(bench.form.settle * 1000);
      bench.record("loaded.memory", usage(server.pids()).resident);
    }
    await server.stop();
  },
};

async function loadAll(bench: Bench, server: Running): Promise<void> {
  const sizes: Record<string, number> = { create: objects, get: bench.form.requests, update: bench.form.requests };
  const works = ["create", "create1", "get", "update", "list", "page", "select", "watch"];
  const last = works.findLastIndex((work) => bench.wants(work));
  for (const work of works.slice(0, bench.wants("loaded") ? works.length : last + 1)) {
    // All others need the objects.
    if (work !== "create" && !bench.wants(work) && !bench.wants("loaded")) continue;
    const results = await load(server, [work], { n: sizes[work] ?? objects });
    for (const result of results) record(bench, work, result);
  }
}

function record(bench: Bench, work: string, { perSecond, serverCpuUsPerOp = 0, p50ms }: Loaded): void {
  bench.record(`${work}.rate`, perSecond);
  bench.record(`${work}.CPU`, serverCpuUsPerOp / 1000);
  bench.record(`${work}.p50`, p50ms);
}

/** Ten thousand pods that nobody schedules, listed. */
export const podList: Scenario = {
  works: ["list-pods"],
  sides: ["hue", "reference"],
  once: "short",
  async run(bench) {
    const server = await bench.start({ runtime: "none" });
    const [, listed] = await load(server, ["create", "list"], { n: objects, kind: "pod" });
    if (listed) record(bench, "list-pods", listed);
    await server.stop();
  },
};
