import { spawn } from "node:child_process";
import { once } from "node:events";
import { root } from "./hue.ts";
import type { Scenario } from "./system.ts";

const program = `
  const { createCluster } = await import("./dist/index.js");
  const times = [];
  for (let i = 0; i < 5; i++) {
    const began = performance.now();
    const cluster = await createCluster();
    times.push(performance.now() - began);
    await cluster.stop();
  }
  console.log(JSON.stringify(times));`;

/** Clusters in a test's own process, one after the other. */
export const library: Scenario = {
  works: ["library"],
  sides: ["hue"],
  once: "always",
  async run(bench) {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program], { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout.on("data", (data) => (text += data));
    await once(child, "close");
    for (const time of JSON.parse(text) as number[]) bench.record("library.time", time);
  },
};
