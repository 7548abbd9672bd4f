import type { Client } from "../../src/client/client.ts";

/** Whose figure it is: hue's, or what stands beside it. */
export type Side = "hue" | "reference";

/** How a server is to be started. Always on an empty folder. */
export interface Shape {
  /** hue's own node; the reference has none. */
  runtime?: "docker" | "simulated" | "none";
  /** Nodes on which pods become Ready (hue), or to which they are bound (reference). */
  nodes?: number;
}

/** A server that runs and can be loaded. */
export interface Running {
  side: Side;
  /** "https://127.0.0.1:7760" */
  server: string;
  /** How the administrator signs in: by files with certificate and key, or by a token. */
  access: { cert: string; key: string } | { token: string };
  client: Client;
  /** Milliseconds from its start until /readyz answered. */
  ready: number;
  /** When it was started, as performance.now() tells it. */
  started: number;
  /** All its processes, as they are now. */
  pids(): number[];
  /** What it keeps on disk; removed at the end. */
  dataDir: string;
  stop(): Promise<void>;
}

/** Where a run has its things: never where a cluster of the user's has them. */
export interface Place {
  /** A temporary folder of the run. */
  folder: string;
  /** The first of ten ports. */
  port: number;
  /** Second byte of the first of two ranges 10.N.0.0/16. */
  cidr: number;
  /** The folder with the reference's scripts up and down, and the load generator's beside it. */
  reference: string;
  image: string | undefined;
  runtime: "docker" | "simulated";
}

/** Sizes and times of one form of the run. */
export interface Form {
  runs: number;
  /** Requests a get or a patch is measured over. */
  requests: number;
  boundPods: number;
  /** Seconds that a server is left alone before its memory is read. */
  settle: number;
  /** Seconds of rest. */
  rest: number;
  /** Pods started one after the other. */
  pods: number;
}

/** What a scenario is given. */
export interface Bench {
  side: Side;
  form: Form;
  place: Place;
  start(shape?: Shape): Promise<Running>;
  /** Whether a piece of work was asked for. */
  wants(work: string): boolean;
  /** Keeps one sample of a row, for this side unless told. */
  record(row: string, value: number, side?: Side): void;
  /** Something that a reader of the table has to know. */
  note(text: string): void;
}

/** A group of rows that are measured on one server. */
export interface Scenario {
  works: readonly string[];
  sides: readonly Side[];
  /** Left out of the short form. */
  long?: true;
  /** Only once: in the short form, or always. */
  once?: "short" | "always";
  run(bench: Bench): Promise<void>;
}

/** What has to be ended when the run ends, however it ends; the last first. */
const endings = new Set<() => Promise<void>>();

/** Registers what ends something; the function that comes back does so once, and whoever calls it again waits for the same end. */
export function ending(end: () => Promise<void>): () => Promise<void> {
  let ended: Promise<void> | undefined;
  const once = (): Promise<void> => (ended ??= end().finally(() => endings.delete(once)));
  endings.add(once);
  return once;
}

/** Ends whatever is still registered. */
export async function endAll(): Promise<void> {
  for (const end of [...endings].reverse()) await end().catch((error) => console.error(error));
}

/** Resolves after that many milliseconds. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((done) => setTimeout(done, milliseconds));
}
