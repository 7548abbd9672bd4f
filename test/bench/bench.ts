/**
 * hue beside the reference, in one run: `npm run bench`, under five minutes; `npm run bench -- --full` for all of it. docs/performance.md
 * tells how. One server runs at a time; each piece of work is done on hue, then on the reference, and again.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { dns, engineAnswers, findImage, running } from "./docker.ts";
import { root, startHue } from "./hue.ts";
import { library } from "./library.ts";
import { bound, deployment } from "./pods.ts";
import { run } from "./process.ts";
import { buildReference, startReference, whyNoReference } from "./reference.ts";
import { podList, requests } from "./requests.ts";
import { rest } from "./rest.ts";
import { keep, machine, type Results, read } from "./results.ts";
import { type Bench, endAll, type Form, type Place, type Scenario, type Side } from "./system.ts";
import { rewrite, table } from "./table.ts";
import { rows } from "./targets.ts";
import { writes } from "./writes.ts";

const { values } = parseArgs({
  options: {
    full: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    runs: { type: "string" },
    reference: { type: "string", default: join(root, "../shared/reference") },
    out: { type: "string", default: join(root, "bench-results") },
    port: { type: "string", default: "7760" },
    cidr: { type: "string", default: "110" },
    image: { type: "string" },
    readme: { type: "boolean", default: false },
    from: { type: "string", multiple: true },
  },
});
const short: Form = { runs: 2, requests: 10_000, boundPods: 3000, settle: 8, rest: 10, pods: 5 };
const full: Form = { runs: 5, requests: 10_000, boundPods: 3000, settle: 15, rest: 300, pods: 15 };
const scenarios: readonly Scenario[] = [requests, podList, bound, deployment, writes, rest, dns, running, library];

let stopped = false;
const only = values.only.split(",").filter(Boolean);
const wants = (work: string): boolean => only.length === 0 || only.includes(work);

async function findPlace(): Promise<Place> {
  const docker = await engineAnswers();
  return {
    folder: mkdtempSync(join(tmpdir(), "hue-bench-")),
    port: Number(values.port),
    cidr: Number(values.cidr),
    reference: values.reference,
    image: values.image ?? (docker ? await findImage() : undefined),
    runtime: docker ? "docker" : "simulated",
  };
}

/** What cannot be measured here, and why: told once. */
function possible(place: Place, results: Results): (scenario: Scenario, side: Side) => boolean {
  const noReference = whyNoReference(place.reference);
  if (noReference) results.notes.push(`Measured without the reference: ${noReference}`);
  const noDocker =
    place.runtime === "simulated" ? "no Docker Engine answers" : place.image ? undefined : "no image busybox or alpine is there";
  if (noDocker) results.notes.push(`Measured without containers: ${noDocker}`);
  return (scenario, side) => (side === "hue" || !noReference) && !(noDocker && (scenario === dns || scenario === running));
}

/** How often a scenario is run: what takes long once in the short form, and what is named by --only as often as everything else. */
function runsOf({ once, long }: Scenario, { runs }: Form): number {
  if (once === "always") return 1;
  if (values.full || only.length > 0) return runs;
  return long ? 0 : once ? 1 : runs;
}

async function measure(form: Form): Promise<Results> {
  await run(process.execPath, ["build.ts", "--if-changed"], { cwd: root });
  const place = await findPlace();
  const results: Results = {
    taken: new Date().toISOString(),
    machine: machine(),
    form: values.full ? "full" : "short",
    samples: {},
    notes: [],
  };
  const can = possible(place, results);
  if (can(requests, "reference")) await buildReference(place.reference);
  try {
    for (let i = 0; i < form.runs; i++) {
      for (const scenario of scenarios.filter((each) => each.works.some(wants) && i < runsOf(each, form))) {
        for (const side of scenario.sides.filter((each) => !stopped && can(scenario, each))) {
          process.stderr.write(`run ${i + 1} of ${form.runs}: ${scenario.works.filter(wants).join(", ")} on ${side}\n`);
          await attempt(scenario, benchOf(side, form, place, results), results);
        }
      }
    }
    if (values.full && only.length === 0 && !stopped) results.scale = await scale();
  } finally {
    rmSync(place.folder, { recursive: true, force: true });
  }
  return results;
}

/** The curve of many nodes, by the program that draws it; it prints its table itself. */
async function scale(): Promise<unknown[]> {
  const program = join(root, "test/bench/scale.ts");
  if (!existsSync(program)) return [];
  const text = await run(process.execPath, [program, "--port", values.port], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return text
    .trim()
    .split("\n")
    .map((line): unknown => JSON.parse(line));
}

function benchOf(side: Side, form: Form, place: Place, results: Results): Bench {
  return {
    side,
    form,
    place,
    wants,
    start(shape) {
      if (stopped) throw new Error("the run was ended");
      return side === "hue" ? startHue(place, shape) : startReference(place, shape);
    },
    record(row, value, of = side) {
      ((results.samples[row] ??= {})[of] ??= []).push(value);
    },
    note(text) {
      if (!results.notes.includes(text)) results.notes.push(text);
    },
  };
}

/** One that fails costs its rows of this run, and not the run. */
async function attempt(scenario: Scenario, bench: Bench, results: Results): Promise<void> {
  const limit = (5 * 60 + 3 * bench.form.rest) * 1000;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>(
    (_, reject) => (timer = setTimeout(() => reject(new Error(`no end after ${limit / 1000} seconds`)), limit)),
  );
  try {
    await Promise.race([scenario.run(bench), late]);
  } catch (error) {
    const text = `${scenario.works.filter(wants).join(", ")} on ${bench.side} failed: ${error instanceof Error ? error.message : error}`;
    console.error(text);
    if (!stopped) results.notes.push(text);
  } finally {
    clearTimeout(timer);
    await endAll();
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    stopped = true;
    void endAll();
  });
}
const unknown = only.filter((work) => !rows.some((row) => row.work === work));
if (unknown.length > 0) {
  console.error(`--only knows ${[...new Set(rows.map(({ work }) => work))].join(", ")}, and not ${unknown.join(", ")}`);
  process.exit(2);
}
const form = { ...(values.full ? full : short), ...(values.runs ? { runs: Number(values.runs) } : {}) };
const results = values.from ? read(values.from) : await measure(form);
console.log(table(results, wants).join("\n"));
for (const note of results.notes) console.log(note);
if (!values.from) console.log(`kept in ${keep(values.out, results)}`);
if (values.readme) rewrite(join(root, "README.md"), results);
