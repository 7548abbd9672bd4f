import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Kubectl, kubectlFor, type Result } from "./kubectl.ts";

const root = new URL("../..", import.meta.url).pathname;

/** A running `hue`, server or agent. */
export interface RunningProcess {
  process: ChildProcess;
  /** What it has printed so far. */
  output(): string;
  /** SIGTERM, and waits for the end. */
  stop(): Promise<void>;
  /** kill -9, and waits for the end. */
  kill(): Promise<void>;
}

/** A hue server of its own, as a user starts it. */
export interface HueProcess extends RunningProcess {
  dataDir: string;
  kubeconfig: string;
  port: number;
  kubectl: Kubectl;
  /** Starts again on the same data folder and port. */
  restart(): Promise<HueProcess>;
  /** `hue cleanup`, then removes the data folder. */
  cleanup(): Promise<void>;
}

/** An agent that joined such a server. */
export interface HueAgent extends RunningProcess {
  dataDir: string;
  nodeName: string;
  /** `hue cleanup`, then removes the data folder. */
  cleanup(): Promise<void>;
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address ? address.port : 0;
}

/** A folder that the test removes by itself. */
export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "hue-test-"));
}

/** Runs `hue` with these arguments to its end. */
export async function hue(...args: string[]): Promise<Result> {
  const child = spawn(join(root, "bin/hue"), args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, HUE_SOURCES: "1" } });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (data) => (stdout += data));
  child.stderr.on("data", (data) => (stderr += data));
  const [code] = await once(child, "close");
  return { code, stdout, stderr };
}

/** Starts `hue server` and waits until it says that the cluster is up. */
export async function startHue(args: readonly string[] = [], options: { dataDir?: string; port?: number } = {}): Promise<HueProcess> {
  const dataDir = options.dataDir ?? temporaryFolder();
  const port = options.port ?? (await freePort());
  const kubeconfig = join(dataDir, "kubeconfig.yaml");
  const all = ["server", "--data-dir", dataDir, "--https-listen-port", String(port), "--kubelet-port", "0", ...args];
  const child = await startProcess(all, /the cluster is up/);
  return {
    dataDir,
    kubeconfig,
    port,
    kubectl: kubectlFor(kubeconfig),
    ...child,
    restart: () => startHue(args, { dataDir, port }),
    cleanup: () => cleanup(dataDir),
  };
}

/** Waits until the node has registered and is ready. */
export async function nodeReady(kubectl: Kubectl, name: string): Promise<void> {
  await kubectl("wait", "--for=create", `node/${name}`, "--timeout=30s");
  await kubectl("wait", "--for=condition=Ready", `node/${name}`, "--timeout=60s");
}

/** Starts `hue agent` on this machine and waits until it says that its node has joined. */
export async function startAgent(
  server: Pick<HueProcess, "dataDir" | "port">,
  nodeName: string,
  args: readonly string[] = [],
  dataDir = temporaryFolder(),
): Promise<HueAgent> {
  const token = readFileSync(join(server.dataDir, "token"), "utf8").trim();
  const joining = ["agent", "--join", `https://127.0.0.1:${server.port}`, "--token", token];
  const child = await startProcess(
    [...joining, "--node-name", nodeName, "--data-dir", dataDir, "--kubelet-port", "0", ...args],
    /has joined/,
  );
  return { ...child, dataDir, nodeName, cleanup: () => cleanup(dataDir) };
}

/** `hue cleanup` of that folder, and its end. Throws with what hue said when it fails. */
export async function cleanup(dataDir: string): Promise<void> {
  const result = await hue("cleanup", "--data-dir", dataDir);
  if (result.code !== 0) throw new Error(`hue cleanup: ${result.stdout}${result.stderr}`);
  rmSync(dataDir, { recursive: true, force: true });
}

/**
 * Starts `hue` with these arguments and waits until it prints what is awaited. Throws when it ends before. Optionally the bundle in place
 * of the sources, and in the cgroup with that folder.
 */
export async function startProcess(
  args: readonly string[],
  awaited: RegExp,
  { bundle = false, cgroup = "" }: { bundle?: boolean; cgroup?: string } = {},
): Promise<RunningProcess> {
  const enter = cgroup ? `echo $$ > ${cgroup}/cgroup.procs && ` : "";
  const child = spawn("sh", ["-c", `${enter}exec "$0" "$@"`, join(root, "bin/hue"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, HUE_SOURCES: bundle ? "" : "1" },
  });
  let output = "";
  const ended = once(child, "exit");
  await new Promise<void>((resolve, reject) => {
    const read = (data: Buffer): void => {
      output += data;
      if (awaited.test(output)) resolve();
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.on("exit", (code) => reject(new Error(`hue ${args.join(" ")} ended with ${code}:\n${output}`)));
  });
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await ended;
  };
  return { process: child, output: () => output, stop: () => end("SIGTERM"), kill: () => end("SIGKILL") };
}
