import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What the kubelet mounts on the host itself: file systems in memory. The door to what only root can do. */
export interface HostMounts {
  /** Mounts a tmpfs there, when none is; the size in bytes, 0 for the kernel's default. */
  mountMemory(folder: string, size: number): Promise<void>;
  /** Unmounts everything at or below the folder. */
  unmountBelow(folder: string): Promise<void>;
}

/** This machine's mounts, by the system's own commands. */
export const linuxMounts: HostMounts = {
  async mountMemory(folder, size) {
    if ((await mountPoints()).includes(folder)) return;
    await run("mount", ["-t", "tmpfs", "-o", size > 0 ? `size=${size}` : "rw", "tmpfs", folder]);
  },
  async unmountBelow(folder) {
    const points = (await mountPoints()).filter((p) => p === folder || p.startsWith(`${folder}/`));
    for (const point of points.sort().reverse()) await run("umount", [point]).catch(() => run("umount", ["-l", point]));
  },
};

async function mountPoints(): Promise<string[]> {
  const table = await readFile("/proc/self/mountinfo", "utf8").catch(() => "");
  // Spaces and such are written as \040 in the table.
  return table
    .split("\n")
    .map((line) => (line.split(" ")[4] ?? "").replace(/\\(\d{3})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 8))));
}
