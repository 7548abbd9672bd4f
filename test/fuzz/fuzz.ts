import { readFileSync } from "node:fs";
import { Connection, type Outcome, type Shape } from "./connection.ts";
import { hostileFamilies } from "./hostile.ts";
import { http } from "./message.ts";
import { Random } from "./random.ts";
import { requestFamilies, shapeOf } from "./requests.ts";

/** A server that is fuzzed. */
export interface Victim {
  port: number;
  pid: number;
  /** What it has printed. */
  output(): string;
}

/** An answer that no request may have. */
export interface Finding {
  /** Makes the same request again: `--seed N --only NUMBER`. */
  number: number;
  family: string;
  /** "500 ...", "hangs", "closed without an answer". */
  what: string;
  /** The start of what was sent. */
  sent: string;
}

/** What a run has seen. */
export interface Report {
  requests: number;
  /** How often each code was the answer; "closed" where there was none. */
  codes: Record<string, number>;
  findings: Finding[];
  /** Bytes: the server's memory at the start, and the most that was seen. */
  memory: { start: number; most: number; end: number };
}

export interface FuzzOptions {
  seed: number;
  count: number;
  connections: number;
  /** Only the request with this number. */
  only?: number;
  /** Told now and then how far it is. */
  progress?: (report: Report) => void;
}

const patience = 20_000;

/** The request with that number: it depends on the seed and the number alone. */
export function shapeNumber(seed: number, number: number): Shape {
  const random = new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b));
  for (let i = 0; i < 3; i++) random.next();
  const all = [...requestFamilies, ...hostileFamilies];
  let at = random.next() * all.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [family, weight, make] of requestFamilies) {
    at -= weight;
    if (at < 0) return shapeOf(family, make(random));
  }
  for (const [family, weight, make] of hostileFamilies) {
    at -= weight;
    if (at < 0) return { family, ...make(random) };
  }
  return { family: "version", parts: [http({ method: "GET", path: "/version" })], answers: 1 };
}

/** Sends the requests over some connections at once, and judges each answer. Ends early when the server ends, or answers no longer. */
export async function fuzz(victim: Victim, options: FuzzOptions): Promise<Report> {
  const start = memoryOf(victim.pid);
  const report: Report = { requests: 0, codes: {}, findings: [], memory: { start, most: start, end: start } };
  await makeCustomResource(victim.port);
  let next = options.only ?? 0;
  let hanging = 0;
  const end = options.only === undefined ? options.count : next + 1;
  const work = async (): Promise<void> => {
    const connection = new Connection(victim.port, patience);
    while (next < end && alive(victim.pid) && hanging < 20) {
      const number = next++;
      const shape = shapeNumber(options.seed, number);
      const send = (): Promise<Outcome> => connection.send(shape).catch((): Outcome => ({ codes: [], ended: "silent", body: "" }));
      let outcome = await send();
      // A refusal can be lost with a connection that is closed while bytes are still on their way: once more, to see it.
      if (outcome.ended === "closed" && outcome.codes.length === 0) outcome = await send();
      if (outcome.ended === "silent") hanging++;
      judge(report, number, shape, outcome);
      if (report.requests % 1000 !== 0) continue;
      report.memory.end = memoryOf(victim.pid);
      report.memory.most = Math.max(report.memory.most, report.memory.end);
      options.progress?.(report);
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: options.connections }, work));
  report.memory.end = memoryOf(victim.pid);
  if (!alive(victim.pid))
    report.findings.push({ number: next - 1, family: "server", what: `ended: ${victim.output().slice(-2000)}`, sent: "" });
  return report;
}

function judge(report: Report, number: number, shape: Shape, { codes, ended, body }: Outcome): void {
  report.requests++;
  for (const code of codes.length > 0 ? codes : [ended]) report.codes[code] = (report.codes[code] ?? 0) + 1;
  const what = wrong(shape, codes, ended, body);
  if (!what) return;
  report.findings.push({ number, family: shape.family, what, sent: sentBy(shape) });
}

function wrong({ answers, end, unanswered }: Shape, codes: number[], ended: Outcome["ended"], body: string): string | undefined {
  const bad = codes.find((code) => code >= 500 && !isLegal(code, body));
  if (bad !== undefined) return `${bad} ${body.slice(0, 300)}`;
  if (ended === "silent") return "hangs";
  if (ended === "closed" && codes.length < answers && end !== "break" && !unanswered)
    return `closed after ${codes.length} answers of ${answers}`;
  return undefined;
}

/** 5xx that say the truth, as upstream says it: a state that is still to come, a way of transfer or a backend that is not there. */
function isLegal(code: number, body: string): boolean {
  if (code === 504) return body.includes("Too large resource version");
  if (code === 503) return /no endpoints available|no such host/.test(body);
  return code === 505 || (code === 501 && body === "");
}

function sentBy({ parts }: Shape): string {
  return Buffer.concat(parts).toString("latin1", 0, 1500);
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Bytes of memory that the process has now; 0 when it has ended. */
function memoryOf(pid: number): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** The custom resource whose rules and patterns the "custom objects" meet: backtracking would take for ever with these. */
async function makeCustomResource(port: number): Promise<void> {
  const spec = {
    type: "object",
    "x-kubernetes-validations": [
      { rule: "!has(self.word) || !self.word.matches('^(a+)+c$')" },
      { rule: "!has(self.items) || self.items.all(x, x < 9)" },
      { rule: "!has(oldSelf.word) || has(self.word)" },
    ],
    properties: {
      word: { type: "string", maxLength: 100, pattern: "^(a+)*[b!]?$" },
      items: { type: "array", maxItems: 50, items: { type: "integer" } },
      any: { "x-kubernetes-preserve-unknown-fields": true },
    },
  };
  const definition = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "fuzzes.fuzz.example.com" },
    spec: {
      group: "fuzz.example.com",
      scope: "Namespaced",
      names: { plural: "fuzzes", kind: "Fuzz", singular: "fuzz" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object", properties: { spec } } } }],
    },
  };
  const body = Buffer.from(JSON.stringify(definition));
  const connection = new Connection(port, patience);
  const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  const made = await connection.send({ family: "", parts: [http({ method: "POST", path, body })], answers: 1 });
  connection.close();
  if (made.codes[0] !== 201 && made.codes[0] !== 409) throw new Error(`the custom resource is refused: ${made.codes[0]} ${made.body}`);
}
