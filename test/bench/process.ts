import { type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { pause } from "./system.ts";

/** What the kernel knows of some processes together: milliseconds of CPU, MiB resident, bytes written to disk. */
export interface Usage {
  cpu: number;
  resident: number;
  written: number;
}

/** The usage of these processes; one that has ended counts nothing. */
export function usage(pids: readonly number[]): Usage {
  const sum: Usage = { cpu: 0, resident: 0, written: 0 };
  for (const pid of pids) {
    if (!existsSync(`/proc/${pid}/stat`)) continue;
    const file = (name: string): string => readFileSync(`/proc/${pid}/${name}`, "utf8");
    const fields = file("stat").split(") ")[1]?.split(" ") ?? [];
    const line = (text: string, name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(text)?.[1] ?? 0);
    sum.cpu += (Number(fields[11]) + Number(fields[12])) * 10;
    sum.resident += line(file("status"), "VmRSS") / 1024;
    sum.written += line(file("io"), "write_bytes");
  }
  return sum;
}

/** Milliseconds of CPU of a process by thread: the main one as "main", the others by the names that the kernel has for them. */
export function threads(pid: number): Map<string, number> {
  const sums = new Map<string, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const name = thread === String(pid) ? "main" : stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
    sums.set(name, (sums.get(name) ?? 0) + (Number(fields[11]) + Number(fields[12])) * 10);
  }
  return sums;
}

/** The process and all that descend from it. */
export function tree(pid: number): number[] {
  const path = `/proc/${pid}/task/${pid}/children`;
  const children = existsSync(path) ? readFileSync(path, "utf8").split(" ").filter(Boolean).map(Number) : [];
  return [pid, ...children.flatMap(tree)];
}

/** Whether the program is there to be started. */
export function hasProgram(name: string): boolean {
  return (process.env["PATH"] ?? "").split(":").some((folder) => existsSync(`${folder}/${name}`));
}

/** How often the process syncs in that many seconds, as strace counts; undefined without strace. Slows the process a little. */
export async function countSyncs(pid: number, seconds: number): Promise<number | undefined> {
  if (!hasProgram("strace")) return undefined;
  const child = spawn("strace", ["-f", "-e", "trace=fsync,fdatasync", "-p", String(pid)], { stdio: ["ignore", "ignore", "pipe"] });
  let text = "";
  child.stderr.on("data", (data) => (text += data));
  const ended = once(child, "close");
  await Promise.race([pause(seconds * 1000), ended]);
  child.kill("SIGINT");
  await ended;
  if (!text.includes("attached")) return undefined;
  // A call that another thread's line cuts in two begins only once.
  return text.split("\n").filter((line) => /\b(fsync|fdatasync)\(/.test(line)).length;
}

/** Runs a program to its end and gives what it printed. Throws with its errors when it fails. */
export async function run(program: string, args: readonly string[], options: SpawnOptions = {}): Promise<string> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (data) => (stdout += data));
  child.stderr?.on("data", (data) => (stderr += data));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}: ${stderr.trim() || stdout.trim()}`);
  return stdout;
}
