import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { execFile, spawnSync } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { startKmsPlugin } from "../unit/apiserver/encryption/kms-plugin.ts";
import { freePort, hue, startHue, temporaryFolder } from "../support/hue.ts";

const root = new URL("../..", import.meta.url).pathname;
const folder = temporaryFolder();
chmodSync(folder, 0o755);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const simulated = ["--runtime=simulated", "--kubelet-port", "0"];

/** One line of hue's, exit code 1, and no stack. */
function said({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }): string {
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/^hue: [^\n]+\n$/);
  return stderr.slice("hue: ".length).trimEnd();
}

async function server(dataDir: string, ...more: string[]): Promise<string> {
  const port = String(await freePort());
  return said(await hue("server", ...simulated, "--data-dir", dataDir, "--https-listen-port", port, ...more));
}

describe("a server that cannot start says why in one line", () => {
  test("a store that another program made", async () => {
    const dataDir = join(folder, "foreign");
    mkdirSync(join(dataDir, "store"), { recursive: true });
    writeFileSync(join(dataDir, "store", "state.db"), "this is no database, and it is longer than a header of one hundred bytes".repeat(3));
    expect(await server(dataDir)).toContain(join(dataDir, "store", "state.db"));
    expect(readFileSync(join(dataDir, "store", "state.db"), "utf8")).toMatch(/^this is no database/);
  });

  test("ranges that the cluster does not have", async () => {
    const dataDir = join(folder, "ranges");
    mkdirSync(dataDir);
    const ranges = { clusterCIDR: "10.42.0.0/16", serviceCIDR: "10.43.0.0/16", clusterDNS: "10.43.0.10", clusterDomain: "cluster.local" };
    writeFileSync(join(dataDir, "cluster.json"), JSON.stringify(ranges));
    expect(await server(dataDir, "--cluster-cidr", "10.99.0.0/16")).toContain("uses --cluster-cidr 10.42.0.0/16");
  });

  test("more nodes than the range of pods has room for", async () => {
    expect(await server(join(folder, "many"), "--simulated-nodes", "1000")).toMatch(
      /10\.42\.0\.0\/16 has room for 256 nodes; give a larger one/,
    );
  });

  test("a file of tokens that is not there, and a token that is none", async () => {
    expect(await server(join(folder, "tokens"), "--token-auth-file", join(folder, "none.csv"))).toMatch(
      /--token-auth-file: .*none\.csv cannot be read/,
    );
    expect(await server(join(folder, "token"), "--token", "secret")).toMatch(/--token must be ID\.SECRET/);
  });

  test("an address that the machine does not have", async () => {
    expect(await server(join(folder, "address"), "--bind-address", "203.0.113.7")).toBe(
      "--bind-address: 203.0.113.7 is not an address of this machine",
    );
  });

  test("an engine that does not answer", async () => {
    const { code, stderr } = await hue("server", "--docker-host", join(folder, "docker.sock"), "--data-dir", join(folder, "engine"));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^hue: no Docker Engine answers at .*docker\.sock: .*--runtime=simulated\n$/);
  });

  test.runIf(process.getuid?.() === 0)("a user who may not write there, nor open the engine's socket", async () => {
    const { stdout } = await promisify(execFile)("id", ["-u", "nobody"]);
    // Becomes nobody only after Node has started: the sources may lie in a folder of root's.
    const run = (...args: string[]) => {
      const program = `process.setgroups([]); process.setgid(65534); process.setuid(${stdout.trim()});
        process.argv.push(...${JSON.stringify(args)}); await import(${JSON.stringify(join(root, "src/cli/main.ts"))});`;
      const {
        status,
        stdout: out,
        stderr,
      } = spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", program, "hue"], {
        encoding: "utf8",
      });
      return { code: status ?? -1, stdout: out, stderr };
    };
    const dataDir = join(folder, "root-only");
    mkdirSync(dataDir, { mode: 0o700 });
    expect(said(run("server", ...simulated, "--data-dir", join(dataDir, "data")))).toContain(join(dataDir, "data"));
    if (existsSync("/var/run/docker.sock")) expect(said(run("server", "--data-dir", dataDir))).toMatch(/group docker.*--runtime=simulated/);
  });
});

test("SIGTERM ends a server within two seconds, kill -9 loses nothing, and both leave a folder that starts again", async () => {
  const dataDir = join(folder, "again");
  let server = await startHue(["--runtime=simulated"], { dataDir });
  const { kubectl } = server;
  await kubectl.until(["get", "nodes", "--no-headers"], (out) => / Ready /.test(out));
  await kubectl("create", "configmap", "one", "--from-literal=a=1");
  await server.kill();
  server = await server.restart();
  await kubectl("create", "configmap", "two", "--from-literal=a=1");
  /** How long it takes, a client watching, in milliseconds. */
  const stop = async (): Promise<number> => {
    const watch = kubectl.start("get", "configmaps", "--watch", "-o", "name");
    await once(watch.stdout, "data");
    const before = performance.now();
    await server.stop();
    const took = performance.now() - before;
    expect(server.process.exitCode).toBe(0);
    watch.kill();
    return took;
  };
  const first = await stop();
  server = await server.restart();
  expect(await kubectl("get", "configmaps", "one", "two", "-o", "name")).toBe("configmap/one\nconfigmap/two\n");
  // A busy machine may hold up one of the two.
  expect(Math.min(first, await stop())).toBeLessThan(2000);
});

test("the completion scripts are sound, and complete commands and flags", async () => {
  const { stdout: script } = await hue("completion", "bash");
  const complete = (words: string): string[] => {
    const program = `${script}\nCOMP_WORDS=(${words} ''); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _hue; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return spawnSync("bash", ["-c", program], { encoding: "utf8" }).stdout.trim().split("\n");
  };
  expect(complete("hue")).toEqual(expect.arrayContaining(["server", "agent", "token", "kubeconfig", "status"]));
  expect(complete("hue server")).toEqual(expect.arrayContaining(["--data-dir", "--https-listen-port", "--write-kubeconfig"]));
});

test("--secrets-encryption leaves no plain Secret on the disk, rotates its keys, and can be switched off again", async () => {
  const dataDir = join(folder, "secrets");
  /** What all files of the store hold. */
  const diskHas = (text: string): boolean =>
    readdirSync(join(dataDir, "store")).some((name) => readFileSync(join(dataDir, "store", name), "latin1").includes(text));
  const encrypt = async (action: string): Promise<string> => {
    const { code, stdout, stderr } = await hue("secrets-encrypt", action, "--data-dir", dataDir);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return stdout;
  };
  const keyFile = join(dataDir, "pki", "secrets-encryption.json");
  const key = (): string => /key-[0-9a-f]{8}/.exec(readFileSync(keyFile, "utf8"))?.[0] ?? "none";
  const coded = Buffer.from("correct horse battery staple").toString("base64");
  const field = (path: string): Promise<string> => kubectl("get", "secret", "one", "-o", `jsonpath={${path}}`);

  let server = await startHue(["--runtime=simulated", "--secrets-encryption"], { dataDir });
  const { kubectl } = server;
  expect(statSync(keyFile).mode & 0o777).toBe(0o600);
  await kubectl("create", "secret", "generic", "one", "--from-literal=password=correct horse battery staple");
  expect(await encrypt("status")).toMatch(/^Encryption: enabled\nActive key: AES-GCM key-[0-9a-f]{8}\nSecrets to rewrite: 0\n$/);
  const first = key();
  const written = await field(".metadata.resourceVersion");
  expect([diskHas(coded), diskHas(`k8s:enc:aesgcm:v1:${first}:`)]).toEqual([false, true]);

  expect(await encrypt("rotate-keys")).toContain("Secrets to rewrite: 0");
  expect(key()).not.toBe(first);
  expect(readFileSync(keyFile, "utf8")).not.toContain(first);
  expect(await field(".metadata.resourceVersion")).not.toBe(written);
  await server.kill();
  server = await server.restart();
  expect(await field(".data.password")).toBe(coded);
  expect(diskHas(coded)).toBe(false);

  expect(await encrypt("disable")).toBe("Encryption: disabled\nActive key: none\nSecrets to rewrite: 0\n");
  expect(diskHas(coded)).toBe(true);
  expect(await encrypt("enable")).toContain("Encryption: enabled");
  await server.stop();
  rmSync(keyFile);
  const refused = await hue("server", ...simulated, "--data-dir", dataDir, "--https-listen-port", String(server.port));
  expect(said(refused)).toMatch(/secrets "[a-z-]+\/[a-z0-9-]+" cannot be decrypted: .*without --secrets-encryption/);
});

test("a KMS plugin's keys encrypt what the configuration names, and its state is a health check", async () => {
  const dataDir = join(folder, "kms");
  const socket = join(folder, "kms.sock");
  const config = join(folder, "encryption.json");
  const kms = { apiVersion: "v2", name: "vault", endpoint: `unix://${socket}` };
  const resources = [{ resources: ["configmaps", "*.apps"], providers: [{ kms }, { identity: {} }] }];
  writeFileSync(config, JSON.stringify({ apiVersion: "apiserver.config.k8s.io/v1", kind: "EncryptionConfiguration", resources }));
  const plugin = await startKmsPlugin(socket);
  const running = await startHue(["--runtime=simulated", "--encryption-provider-config", config], { dataDir });
  expect(await running.kubectl("get", "--raw", "/readyz/kms-providers")).toBe("ok");
  await running.kubectl("create", "configmap", "c", "--from-literal=text=correct horse battery staple");
  const disk = readdirSync(join(dataDir, "store")).map((name) => readFileSync(join(dataDir, "store", name), "latin1"));
  expect(disk.some((text) => text.includes("correct horse battery staple"))).toBe(false);
  expect(disk.some((text) => text.includes("k8s:enc:kms:v2:vault:"))).toBe(true);
  await running.stop();
  await plugin.stop();
  expect(await server(dataDir, "--encryption-provider-config", config)).toMatch(
    /configmaps "[a-z./-]+" cannot be decrypted: .*KMS plugin at .*kms\.sock failed: connect ENOENT/,
  );
});

test("audit events go to a file of the owner's, as the policy says; a policy that is none is told of", async () => {
  const dataDir = join(folder, "audit");
  const log = join(folder, "audit-log", "audit.log");
  const policy = join(folder, "policy.yaml");
  const flags = ["--audit-policy-file", policy, "--audit-log-path", log];
  writeFileSync(policy, "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Everything}]\n");
  expect(await server(dataDir, ...flags)).toMatch(
    /^--audit-policy-file: .*policy\.yaml: rules\[0\]\.level: Unsupported value: "Everything"/,
  );
  writeFileSync(
    policy,
    `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: Metadata, resources: [{resources: [secrets]}]}
  - {level: Request, resources: [{resources: [configmaps]}], verbs: [create]}
`,
  );
  const running = await startHue(["--runtime=simulated", ...flags], { dataDir });
  await running.kubectl("create", "secret", "generic", "s", "--from-literal=password=correct horse battery staple");
  await running.kubectl("create", "configmap", "c", "--from-literal=a=1");
  await running.stop();
  const events = readFileSync(log, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  const of = (name: string) => events.find(({ verb, objectRef }) => verb === "create" && objectRef.name === name);
  expect(of("s")).toMatchObject({
    level: "Metadata",
    stage: "ResponseComplete",
    responseStatus: { code: 201 },
    userAgent: expect.stringMatching(/^kubectl\//),
  });
  expect(of("s")).not.toHaveProperty("requestObject");
  expect(of("c")).toMatchObject({ level: "Request", requestObject: { kind: "ConfigMap", data: { a: "1" } } });
  expect(readFileSync(log, "utf8")).not.toContain(Buffer.from("correct horse battery staple").toString("base64"));
  expect(statSync(log).mode & 0o777).toBe(0o600);
});
