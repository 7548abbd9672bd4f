/**
 * Has schemathesis make requests from hue's own OpenAPI v3 documents, and tells of the answers that are server errors:
 *   node test/fuzz/schemathesis.ts [--documents api/v1,apis/apps/v1] [--examples 3] [--seed 1] [--timeout 30] [--seconds 120] [--all]
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { temporaryFolder } from "../support/hue.ts";
import { pythonPrograms } from "../support/python.ts";
import { token } from "./message.ts";
import { startVictim } from "./victim.ts";

const { values } = parseArgs({
  options: {
    documents: { type: "string", default: "" },
    examples: { type: "string", default: "3" },
    seed: { type: "string", default: "1" },
    /** Seconds that a request may take. */
    timeout: { type: "string", default: "30" },
    /** How long a document may take. */
    seconds: { type: "string", default: "120" },
    /** Also what decides about other requests; its answers may be those of a webhook that does not exist. */
    all: { type: "boolean", default: false },
  },
});

// Watches have no end, proxies answer for others, and what decides about other requests stays as it is.
const endless = "/watch/|/proxy|/exec|/attach|/portforward|/log";
const deciding = "webhookconfigurations|admissionpolic|apiservices|flowschemas|prioritylevel";

process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
const program = join(await pythonPrograms("schemathesis", "schemathesis==4.32.5"), "schemathesis");
const victim = await startVictim();
const url = `https://127.0.0.1:${victim.port}`;
const headers = { Authorization: `Bearer ${token}` };
const failed: string[] = [];
try {
  for (const document of values.documents ? values.documents.split(",") : await documents()) {
    const printed = await check(document);
    if (!printed.includes("generated,")) throw new Error(`${document}: schemathesis did not run:\n${printed}`);
    console.log(`${document}: ${/\d+ generated, .*/.exec(printed)?.[0]}`);
    if (!/^- Server error/m.test(printed) && unanswered(printed).length === 0) continue;
    console.log(printed);
    failed.push(document);
  }
  console.log(`answers by code: ${await answers()}`);
} finally {
  await victim.stop();
}
const unexpected = victim
  .output()
  .split("\n")
  .filter((line) => line.includes("failed unexpectedly"));
console.log(`documents with failures: ${failed.join(", ") || "none"}; the server's log has ${unexpected.length} unexpected failures`);
for (const line of new Set(unexpected.slice(0, 20))) console.log(line);
process.exitCode = failed.length + unexpected.length === 0 ? 0 : 1;

/** The operations with requests that got no answer. Lists may become watches, whose answers have no end. */
function unanswered(printed: string): string[] {
  return [...printed.matchAll(/^_+ ([A-Z]+ \/\S+) _+$/gm)]
    .map(([, operation = ""]) => operation)
    .filter((name) => !name.startsWith("GET "));
}

/** "200: 12, 404: 30": how many requests the server has answered how, its own among them. */
async function answers(): Promise<string> {
  const metrics = await (await fetch(`${url}/metrics`, { headers })).text();
  const codes = new Map<string, number>();
  for (const [, code = "", count] of metrics.matchAll(/^apiserver_request_total\{.*code="(\d+)".*\} (\d+)$/gm))
    codes.set(code, (codes.get(code) ?? 0) + Number(count));
  return [...codes]
    .sort()
    .map(([code, count]) => `${code}: ${count}`)
    .join(", ");
}

async function documents(): Promise<string[]> {
  const answer = await fetch(`${url}/openapi/v3`, { headers });
  const { paths } = (await answer.json()) as { paths: Record<string, unknown> };
  return Object.keys(paths).filter((path) => /^apis?\/.*v\d/.test(path));
}

/** What schemathesis has printed. Watches that it comes upon run into its time limit, which it calls an error. */
async function check(document: string): Promise<string> {
  const options = ["--checks", "not_a_server_error", "--phases", "coverage,fuzzing", "--mode", "all", "--no-shrink", "--no-color"];
  const limits = [
    "--max-examples",
    values.examples,
    "--seed",
    values.seed,
    "--request-timeout",
    values.timeout,
    "--max-time",
    values.seconds,
    "--suppress-health-check",
    "all",
  ];
  const which = [
    "--exclude-path-regex",
    values.all ? endless : `${endless}|${deciding}`,
    "--exclude-method",
    "DELETE",
    "--tls-verify",
    "false",
    "--header",
    `Authorization:${headers.Authorization}`,
  ];
  const child = spawn(program, ["run", `${url}/openapi/v3/${document}`, ...options, ...limits, ...which], {
    stdio: ["ignore", "pipe", "inherit"],
    cwd: temporaryFolder(),
  });
  let printed = "";
  child.stdout.on("data", (data) => (printed += data));
  await once(child, "close");
  return printed;
}
