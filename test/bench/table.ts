import { readFileSync, writeFileSync } from "node:fs";
import { type Results, type Spread, standing } from "./results.ts";
import { type Row, rows, type Unit } from "./targets.ts";

const begin = "<!-- bench: written by npm run bench -- --readme -->";
const end = "<!-- end of bench -->";

/** The table as lines of Markdown; rows without a figure are left out. */
export function table(results: Results, wants: (work: string) => boolean = () => true): string[] {
  const cells: string[][] = [["work", "figure", "hue", "reference", "ratio", "aim", ""]];
  for (const row of rows) {
    const { hue, reference, ratio, verdict } = standing(row, results.samples);
    if (!wants(row.work) || (!hue && !reference)) continue;
    const beside = reference ? figure(reference, row.unit) : "";
    const times = ratio === undefined ? "" : multiple(ratio, row);
    cells.push([row.title, row.figure, hue ? figure(hue, row.unit) : "not measured", beside, times, aim(row), verdict ?? ""]);
  }
  const widths = cells[0]?.map((_, column) => Math.max(3, ...cells.map((line) => line[column]?.length ?? 0))) ?? [];
  const lines = cells.map((line) => `| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`);
  return [lines[0] ?? "", `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...lines.slice(1)];
}

/** Puts the table in the place of the one that stands in the file. Throws when the file has no such place. */
export function rewrite(file: string, results: Results): void {
  const text = readFileSync(file, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file} lacks the lines "${begin}" and "${end}"`);
  const taken = `Taken on ${results.taken.slice(0, 10)} on ${results.machine}. Each figure: median (least to most of several runs).`;
  const written = [begin, taken, "", ...table(results), "", ...results.notes.map((note) => `${note}.`), end].join("\n");
  writeFileSync(file, text.slice(0, from) + written.replace("\n\n<!--", "\n<!--") + text.slice(to + end.length));
}

function figure({ min, median, max }: Spread, unit: Unit): string {
  const range = min === max ? "" : ` (${digits(min)} to ${digits(max)})`;
  return `${digits(median)}${unit === "/s" ? "" : " "}${unit}${range}`;
}

function digits(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString("en-US");
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(value < 0.1 ? 2 : 3)));
}

function aim(row: Row): string {
  const parts = [row.ratio ? multiple(row.ratio, row) : "", row.most === undefined ? "" : `at most ${digits(row.most)} ${row.unit}`];
  return parts.filter(Boolean).join(", ");
}

/** As the aims are written: of CPU and memory 1/6, of everything else 0.4x. */
function multiple(value: number, { figure, work }: Row): string {
  const isPart = figure === "CPU" || figure === "memory" || work === "start";
  return isPart && value < 1 ? `1/${digits(Number((1 / value).toFixed(1)))}` : `${digits(value)}x`;
}
