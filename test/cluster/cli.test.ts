import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort, type HueProcess, hue, nodeReady, startHue, temporaryFolder } from "../support/hue.ts";
import { kubectlFor } from "../support/kubectl.ts";

const folder = temporaryFolder();
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The one line that hue said, after checking that it is one, names hue and shows no stack. */
async function mistake(...args: string[]): Promise<{ code: number; line: string }> {
  const { code, stdout, stderr } = await hue(...args);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^hue: [^\n]+\n$/);
  expect(stderr).not.toMatch(/\bat .*:\d+:\d+/);
  return { code, line: stderr.slice("hue: ".length).trimEnd() };
}

describe.concurrent("a mistake on the command line is one line, and exit code 2", () => {
  test.each<[string[], RegExp]>([
    [["frobnicate"], /unknown command "frobnicate"; see hue --help/],
    [["server", "--nonsense"], /unknown flag --nonsense; see --help/],
    [["server", "--no-such-flag"], /unknown flag --no-such-flag; see --help/],
    [["server", "extra"], /Unused args: `extra`/],
    [["server", "--https-listen-port", "abc"], /--https-listen-port: "abc" is not a whole number/],
    [["server", "--https-listen-port", "70000"], /--https-listen-port: 70000 is not a port/],
    [["server", "--https-listen-port"], /value is missing/],
    [["server", "--cluster-cidr", "10.1.0.0"], /--cluster-cidr: "10.1.0.0" is not an IPv4 range/],
    [["server", "--runtime", "magic"], /--runtime: "magic" must be docker, simulated or none/],
    [["server", "--disable", "everything"], /--disable: "everything" must be one of dns, /],
    [["server", "--node-name", "Über"], /--node-name: "Über" must be lower case/],
    [["server", "--node-taint", "x"], /--node-taint: "x" must be KEY=VALUE:EFFECT/],
    [["server", "--datastore-endpoint", "mysql://x"], /--datastore-endpoint: "mysql:\/\/x" is not supported/],
    [["server", "--bind-address", "localhost"], /--bind-address: "localhost" is not an IP address/],
    [["server", "--history", "long"], /--history: "long" is no duration such as 30m, 24h or 7d/],
    [["server", "--history-bytes", "1x"], /--history-bytes: "1x" is no size such as 256Mi/],
    [["agent", "--join", "server"], /--join: "server" must be the server's address, https:\/\/HOST:PORT/],
    [["token"], /missing required args/],
    [["token", "frob"], /token knows create, list and delete, not "frob"/],
    [["completion", "csh"], /completion knows bash, zsh and fish, not "csh"/],
  ])("%j", async (args, said) => {
    const { code, line } = await mistake(...args);
    expect(line).toMatch(said);
    expect(code).toBe(2);
  });
});

describe.concurrent("a configuration file that cannot be used is named", () => {
  test("not there", async () => {
    const { code, line } = await mistake("server", "--config", join(folder, "nowhere.yaml"));
    expect(line).toMatch(/cannot read --config .*nowhere\.yaml: ENOENT/);
    expect([1, 2]).toContain(code);
  });
  test("not YAML", async () => {
    expect((await mistake("server", "--config", file("broken.yaml", "a: [1,\nb: }"))).line).toMatch(/broken\.yaml is not YAML: /);
  });
  test("no options in it", async () => {
    expect((await mistake("server", "--config", file("list.yaml", "- data-dir\n"))).line).toMatch(/list\.yaml must hold options/);
  });
  test("an unknown option in it", async () => {
    expect((await mistake("server", "--config", file("odd.yaml", "data-dirr: /tmp/x\n"))).line).toMatch(
      /odd\.yaml: unknown option "data-dirr"/,
    );
  });
});

test("--help shows every command and option with its default, and --version the version; both end well", async () => {
  const help = await hue("--help");
  expect(help.code).toBe(0);
  for (const command of ["server", "agent", "token", "kubeconfig", "status", "cleanup", "version", "completion"])
    expect(help.stdout).toMatch(new RegExp(`^  ${command}\\b`, "m"));
  const server = await hue("server", "--help");
  expect(server.code).toBe(0);
  expect(server.stdout).toMatch(/--cluster-cidr <CIDR>\s+Range of pod addresses \(default: 10\.42\.0\.0\/16\)/);
  expect((await hue("version")).stdout).toMatch(/^hue \d+\.\d+\.\d+\nKubernetes v1\.36\.\d+\S*\nNode v\d+/);
  expect((await hue("completion", "bash")).stdout).toContain("--write-kubeconfig");
});

describe("beside a running server", () => {
  let running: HueProcess;
  const simulated = ["--runtime=simulated", "--kubelet-port", "0"];
  beforeAll(async () => {
    running = await startHue(["--runtime=simulated", "--node-name", "one"]);
  });
  afterAll(async () => {
    await running.stop();
    rmSync(running.dataDir, { recursive: true });
  });

  test("a second one on the same data folder is refused, and the first goes on", async () => {
    const { code, line } = await mistake(
      "server",
      ...simulated,
      "--data-dir",
      running.dataDir,
      "--https-listen-port",
      String(await freePort()),
    );
    expect(code).toBe(1);
    expect(line).toContain(running.dataDir);
    expect(line).toMatch(/another hue/);
    expect(await running.kubectl("get", "--raw", "/readyz")).toBe("ok");
  });

  test("one on its port is refused", async () => {
    const dataDir = join(folder, "other");
    const { code, line } = await mistake("server", ...simulated, "--data-dir", dataDir, "--https-listen-port", String(running.port));
    expect(code).toBe(1);
    expect(line).toContain(`port ${running.port} is in use`);
    expect(line).toContain("--https-listen-port");
  });

  test("a port that another program has is refused the same way", async () => {
    const other = createServer().listen(0, "0.0.0.0");
    await once(other, "listening");
    const address = other.address();
    const port = typeof address === "object" && address ? address.port : 0;
    const { code, line } = await mistake("server", ...simulated, "--data-dir", join(folder, "third"), "--https-listen-port", String(port));
    other.close();
    expect(code).toBe(1);
    expect(line).toContain(`port ${port} is in use`);
  });

  test("a data folder that cannot be made is named", async () => {
    const { code, line } = await mistake(
      "server",
      ...simulated,
      "--data-dir",
      join(file("plain", ""), "data"),
      "--https-listen-port",
      String(await freePort()),
    );
    expect(code).toBe(1);
    expect(line).toContain(join(folder, "plain"));
  });

  test("status tells how it is; of a server that is not there, that it is not", async () => {
    await nodeReady(running.kubectl, "one");
    const status = await hue("status", "--data-dir", running.dataDir);
    expect(status).toMatchObject({ code: 0, stderr: "" });
    expect(status.stdout).toMatch(/^node\s+one: Ready, 0 pods, v1\.36/m);
    expect(status.stdout).toMatch(/^disk\s+\d+\.\d MB written since .* wrote [1-9]\d* batches with [1-9]\d* fsyncs$/m);
    expect(status.stdout).toMatch(/^history since 20\S+Z, \d+\.\d MB/m);
    expect((await mistake("status", "--data-dir", join(folder, "nowhere"))).line).toMatch(/nowhere\/kubeconfig\.yaml is not there/);
  });

  test("kubeconfig prints one that works, and merges it into another without losing what is there; private files are private", async () => {
    const printed = await hue("kubeconfig", "--data-dir", running.dataDir);
    const own = file("own", printed.stdout.replaceAll("hue", "mine"));
    const merged = await hue("kubeconfig", "merge", "--data-dir", running.dataDir, "--into", own);
    expect(merged.code, merged.stderr).toBe(0);
    const contexts = (await kubectlFor(own)("config", "get-contexts", "-o", "name")).trim().split("\n");
    expect(contexts.length).toBe(2);
    expect(await kubectlFor(file("printed", printed.stdout))("get", "--raw", "/livez")).toBe("ok");
    expect(statSync(running.kubeconfig).mode & 0o077).toBe(0);
    expect(statSync(running.dataDir).mode & 0o077).toBe(0);
  });

  test("token creates, lists and deletes what agents join with", async () => {
    const on = ["--data-dir", running.dataDir];
    const token = (await hue("token", "create", ...on, "--ttl", "1h", "--description", "for a test")).stdout.trim();
    expect(token).toMatch(/^K10[0-9a-f]{64}::[a-z0-9]{6}\.[a-z0-9]{16}$/);
    const id = /::(\w{6})/.exec(token)?.[1] ?? "";
    expect((await hue("token", "list", ...on)).stdout).toMatch(new RegExp(`^${id}\\s+\\S+Z\\s+for a test$`, "m"));
    expect((await hue("token", "delete", id, ...on)).stdout).toBe(`token ${id} deleted\n`);
    expect((await hue("token", "list", ...on)).stdout).not.toContain(id);
  });
});

test("options come from a file and the environment as well, and flags win", async () => {
  const dataDir = join(folder, "configured");
  mkdirSync(dataDir);
  chmodSync(dataDir, 0o700);
  const config = file("good.yaml", "runtime: simulated\nnode-name: from-file\nnode-label: [a=1, b=2]\nkubelet-port: 0\n");
  process.env["HUE_NODE_NAME"] = "from-environment";
  try {
    const started = await startHue(["--config", config], { dataDir });
    const labels = await started.kubectl(
      "get",
      "nodes",
      "-o",
      "jsonpath={.items[0].metadata.name} {.items[0].metadata.labels.a}{.items[0].metadata.labels.b}",
    );
    await started.stop();
    expect(labels).toBe("from-environment 12");
    expect(readFileSync(join(dataDir, "token"), "utf8")).toMatch(/^K10/);
  } finally {
    delete process.env["HUE_NODE_NAME"];
  }
});
