/** What is measured, and what is aimed at: a row a figure, as data that the table is printed from. */

/** What a figure is measured in; CPU is the servers' own, per operation. */
export type Unit = "/s" | "ms" | "MiB" | "%" | "/min" | "MB/h" | "s";

/** One figure of one piece of work. */
export interface Row {
  /** What --only names; rows of one piece of work are measured together. */
  work: string;
  figure: "rate" | "CPU" | "p50" | "time" | "memory" | "count" | "bytes";
  title: string;
  unit: Unit;
  /** What hue's median, divided by the reference's, has to be at least (rates) or at most (everything else). */
  ratio?: number;
  /** What hue's own median may be at most, in the unit. */
  most?: number;
  /** Measured on hue alone. */
  alone?: true;
}

/** The name under which a row's samples are kept. */
export function rowName({ work, figure }: Pick<Row, "work" | "figure">): string {
  return `${work}.${figure}`;
}

function rated(work: string, title: string, rate: number | undefined, cpu: number | undefined): Row[] {
  return [
    { work, figure: "rate", title, unit: "/s", ...(rate ? { ratio: rate } : {}) },
    { work, figure: "CPU", title, unit: "ms", ...(cpu ? { ratio: cpu } : {}) },
  ];
}

/** Every row, in the order of the table. */
export const rows: readonly Row[] = [
  ...rated("create", "create, 64 connections, durable", 4, 1 / 6),
  { work: "create1", figure: "p50", title: "create, one connection", unit: "ms", ratio: 0.4 },
  ...rated("get", "get", 3, 1 / 6),
  ...rated("update", "merge patch", 4, 1 / 6),
  { work: "list", figure: "CPU", title: "list of 10,000 config maps", unit: "ms", ratio: 1 / 7 },
  { work: "list-pods", figure: "CPU", title: "list of 10,000 pods", unit: "ms", ratio: 1 / 7 },
  { work: "page", figure: "CPU", title: "page of 500", unit: "ms", ratio: 1 / 7 },
  { work: "select", figure: "CPU", title: "100 of 10,500 by label", unit: "ms", ratio: 1 / 5 },
  { work: "watch", figure: "CPU", title: "watch, 100 watchers, an event", unit: "ms", ratio: 1 / 2 },
  ...rated("apply", "server-side apply of a Deployment", 3, 1 / 4),
  ...rated("custom", "create of a custom resource with a CEL rule", undefined, undefined),
  ...rated("policy", "create through a ValidatingAdmissionPolicy", undefined, undefined),
  ...rated("bound", "pods created and bound, 100 nodes", 6, 1 / 6),
  ...rated("deployment", "Deployment of 3,000 pods, Ready (reference: bound)", 6, 1 / 6),
  { work: "memory", figure: "memory", title: "resident memory, fresh", unit: "MiB", ratio: 1 / 5, most: 100 },
  { work: "loaded", figure: "memory", title: "resident memory after 10,000 objects and the load", unit: "MiB", ratio: 1 / 3 },
  { work: "start", figure: "time", title: "first start to /readyz", unit: "ms", ratio: 1 / 5, most: 700 },
  { work: "rest", figure: "CPU", title: "at rest, 20 pods: of a core", unit: "%", most: 0.5, alone: true },
  { work: "rest", figure: "count", title: "at rest, 20 pods: fsyncs, 6 for leases allowed", unit: "/min", most: 8, alone: true },
  { work: "rest", figure: "bytes", title: "at rest, 20 pods: written to disk", unit: "MB/h", most: 1, alone: true },
  { work: "dns", figure: "time", title: "empty folder to a DNS answer inside a first pod", unit: "ms", most: 3000, alone: true },
  {
    work: "running",
    figure: "p50",
    title: "pod create to Running, beside `docker run` of pause and container",
    unit: "ms",
    ratio: 1.3,
  },
  { work: "library", figure: "time", title: "createCluster() in a test", unit: "ms", alone: true },
];
