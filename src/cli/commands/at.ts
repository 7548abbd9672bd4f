import { spawn } from "node:child_process";
import { fstatSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { writeKubeconfig } from "../../pki/kubeconfig.ts";
import type { CliCommand } from "../command.ts";
import { connectionOptions, findServer } from "../connection.ts";
import { fixedMoment } from "../past-moment.ts";
import { startPastProxy } from "../past-proxy.ts";
import { UsageError } from "../usage-error.ts";
import { text } from "./node-options.ts";

/** `hue at TIME kubectl ...`: any program that reads KUBECONFIG, on the cluster of a past moment. */
export const atCommand: CliCommand = {
  usage: "at <time> [...command]",
  description: "Run kubectl, or another program, on the cluster as it was at that moment, read only",
  options: [
    ...connectionOptions,
    { flag: "kubectl", type: "string", value: "FILE", description: "The kubectl to run (default: the one on PATH)" },
  ],
  examples: ["at 10m kubectl get pods -A", "at 2026-01-31T12:00:00Z kubectl describe deployment web", "at 1h30m kubectl get events"],
  runs: true,
  async run({ words: [time = "", program, ...args], options, env }) {
    if (!program) throw new UsageError("at: name what to run, such as: hue at 10m kubectl get pods");
    const server = findServer(options, env);
    const proxy = await startPastProxy(server, await fixedMoment(server, time));
    const folder = await mkdtemp(join(tmpdir(), "hue-at-"));
    try {
      const kubeconfig = join(folder, "kubeconfig");
      await writeKubeconfig(kubeconfig, proxy.kubeconfig);
      const file = program === "kubectl" ? text(options, "kubectl") || program : program;
      return await run(file, args, { ...env, KUBECONFIG: kubeconfig, KUBECACHEDIR: join(folder, "cache") });
    } finally {
      proxy.close();
      await rm(folder, { recursive: true, force: true });
    }
  },
};

/** Node makes pipes that it was given non-blocking, for all who share them; other programs lose what they write to such a one when it is full. */
function through(descriptor: number): "pipe" | "inherit" {
  const stat = fstatSync(descriptor);
  return stat.isFIFO() || stat.isSocket() ? "pipe" : "inherit";
}

/** Runs the program to its end, whatever signals come; gives its exit code, as a shell does. */
function run(file: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ["inherit", through(1), through(2)], env });
    child.stdout?.pipe(process.stdout).on("error", () => child.kill("SIGPIPE"));
    child.stderr?.pipe(process.stderr).on("error", () => {});
    const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, pass);
    child.on("error", ({ message }) => {
      const advice = file === "kubectl" ? "install it, or name it with --kubectl" : "see whether it is there";
      reject(new UsageError(`${file} cannot be run: ${message}; ${advice}`, 1));
    });
    child.on("close", (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
}
