import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import type { Side } from "./system.ts";
import { type Row, rowName } from "./targets.ts";

/** Samples of each row, by side. */
export type Samples = Record<string, Partial<Record<Side, number[]>>>;

/** What a run leaves behind as JSON. */
export interface Results {
  taken: string;
  machine: string;
  form: "short" | "full";
  samples: Samples;
  notes: string[];
  /** What scale.ts tells of each size of cluster. */
  scale?: unknown[];
}

/** Minimum, median and maximum. */
export interface Spread {
  min: number;
  median: number;
  max: number;
}

/** How a row stands. */
export interface Standing {
  hue?: Spread;
  reference?: Spread;
  /** hue's median divided by the reference's. */
  ratio?: number;
  /** "met", or by how much not; left out where nothing is aimed at or measured. */
  verdict?: string;
}

/** The spread of the samples; undefined when there are none. */
export function spread(samples: readonly number[] | undefined): Spread | undefined {
  const sorted = (samples ?? []).filter(Number.isFinite).sort((a, b) => a - b);
  const [min, max] = [sorted[0], sorted.at(-1)];
  if (min === undefined || max === undefined) return undefined;
  const half = (sorted.length - 1) / 2;
  return { min, median: ((sorted[Math.floor(half)] ?? min) + (sorted[Math.ceil(half)] ?? max)) / 2, max };
}

/** Compares a row's samples with what is aimed at. */
export function standing(row: Row, samples: Samples): Standing {
  const { hue: mine, reference: theirs } = samples[rowName(row)] ?? {};
  const [hue, reference] = [spread(mine), spread(theirs)];
  const ratio = hue && reference && reference.median > 0 ? hue.median / reference.median : undefined;
  // How many times too much (or, of a rate, too little) it is.
  const misses: number[] = [];
  if (row.ratio && ratio !== undefined) misses.push(row.unit === "/s" ? row.ratio / ratio : ratio / row.ratio);
  if (row.most !== undefined && hue) misses.push(hue.median / row.most);
  const worst = Math.max(...misses);
  const verdict = misses.length === 0 ? undefined : worst <= 1 ? "met" : `missed by ${((worst - 1) * 100).toFixed(0)} %`;
  return {
    ...(hue ? { hue } : {}),
    ...(reference ? { reference } : {}),
    ...(ratio === undefined ? {} : { ratio }),
    ...(verdict ? { verdict } : {}),
  };
}

/** The machine, as a reader of the figures wants to know it. */
export function machine(): string {
  const [cpu] = cpus();
  const memory = (totalmem() / 2 ** 30).toFixed(0);
  return `${cpus().length} cores of ${cpu?.model.trim() ?? "an unknown processor"}, ${memory} GiB of memory, Linux ${release()}, Node ${process.versions.node}`;
}

/** Keeps the results as a file of their own in the folder, and tells its name. */
export function keep(folder: string, results: Results): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${results.taken.replace(/[:.]/g, "-")}.json`);
  writeFileSync(file, `${JSON.stringify(results, undefined, 1)}\n`);
  return file;
}

/** Kept results as one: of a row that several have, the last one's. */
export function read(files: readonly string[]): Results {
  const all = files.map((file) => JSON.parse(readFileSync(file, "utf8")) as Results);
  const last = all.at(-1);
  if (!last) throw new Error("no file of results");
  const samples: Samples = Object.assign({}, ...all.map((results) => results.samples));
  return { ...last, samples, notes: [...new Set(all.flatMap(({ notes }) => notes))] };
}
