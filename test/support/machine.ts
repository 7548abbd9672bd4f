import { execFile } from "node:child_process";
import { get } from "node:http";
import { machineAddress } from "../../src/agent/machine-address.ts";

/** Runs a program of the machine and gives what it printed. Throws with its words when it fails. */
export function machine(program: string, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { maxBuffer: 64 << 20 }, (error, stdout, stderr) =>
      error ? reject(new Error(`${program} ${args.join(" ")}: ${stderr || error.message}`)) : resolve(stdout),
    );
  });
}

/** The Docker command line, on the engine that hue uses. */
export function docker(...args: string[]): Promise<string> {
  return machine("docker", "-H", "unix:///var/run/docker.sock", ...args);
}

/** The ids of a pod's containers (its sandbox too), sorted. Empty when there are none. */
export async function containersOfPod(uid: string): Promise<string[]> {
  const ids = (await docker("ps", "-aq", "--no-trunc", "--filter", `label=io.kubernetes.pod.uid=${uid}`)).trim();
  return ids === "" ? [] : ids.split("\n").sort();
}

/** The address at which the nodes on this machine are reached. */
export const nodeAddress = await machineAddress();

/** An answer over HTTP: its status and text. Rejects when the connection fails or nothing comes in 5 s. */
export function fetchText(url: string, headers: Record<string, string> = {}): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const call = get(url, { headers, timeout: 5000, agent: false }, (reply) => {
      let text = "";
      reply.on("data", (chunk) => (text += chunk));
      reply.on("end", () => resolve({ status: reply.statusCode ?? 0, text }));
      reply.on("error", reject);
    });
    call.on("timeout", () => call.destroy(new Error(`no answer from ${url} in 5 s`)));
    call.on("error", reject);
  });
}
