/**
 * Sends generated bad requests to a hue server of its own, and prints what was wrong with its answers:
 *   node test/fuzz/run.ts [--count 1000000] [--seed 1] [--connections 8] [--only NUMBER]
 */
import { parseArgs } from "node:util";
import { type Finding, fuzz, type Report } from "./fuzz.ts";
import { startVictim } from "./victim.ts";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "1000000" },
    seed: { type: "string", default: "1" },
    connections: { type: "string", default: "8" },
    only: { type: "string" },
  },
});

const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
const began = performance.now();
let told = 0;

const victim = await startVictim();
const report = await fuzz(victim, {
  count: Number(values.count),
  seed: Number(values.seed),
  connections: Number(values.connections),
  ...(values.only === undefined ? {} : { only: Number(values.only) }),
  progress: (soFar) => {
    for (const { number, family, what } of soFar.findings.slice(told)) console.log(`  ${number} (${family}): ${what.slice(0, 200)}`);
    told = soFar.findings.length;
    if (soFar.requests % 20_000 === 0) console.log(line(soFar));
  },
});
await victim.stop();
console.log(line(report));
console.log(report.codes);
for (const [what, all] of grouped(report.findings)) {
  console.log(
    `\n${all.length} x ${what}\n  with --seed ${values.seed}: ${all.slice(0, 9).map(({ number, family }) => `--only ${number} (${family})`)}`,
  );
  console.log(`  ${JSON.stringify(all[0]?.sent).slice(0, 600)}`);
}
const failures = victim
  .output()
  .split("\n")
  .filter((text) => text.includes("failed unexpectedly"));
console.log(`\nthe server's log has ${failures.length} unexpected failures`);
for (const text of new Set(failures.slice(0, 20))) console.log(text);
process.exitCode = report.findings.length === 0 ? 0 : 1;

function line({ requests, findings, memory }: Report): string {
  const seconds = (performance.now() - began) / 1000;
  const used = `${mebibytes(memory.start)} at the start, ${mebibytes(memory.end)} now, ${mebibytes(memory.most)} at most`;
  return `${requests} requests in ${seconds.toFixed(0)} s, ${findings.length} findings; memory: ${used}`;
}

/** Findings that differ in names and numbers alone are one. */
function grouped(findings: readonly Finding[]): Map<string, Finding[]> {
  return Map.groupBy(findings, ({ what }) =>
    what
      .replace(/\\"[^"]*\\"/g, "_")
      .replace(/\d{3,}/g, "N")
      .slice(0, 160),
  );
}
