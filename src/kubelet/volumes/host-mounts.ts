import { execFile } from "node:child_process";
import { readFile, realpath } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What the kubelet mounts on the host itself: file systems in memory. The door to what only root can do. */
export interface HostMounts {
  /** Mounts a tmpfs there, when none is, for root only at first; the size in bytes, 0 for the kernel's default. It is not swapped where the kernel can promise that. */
  mountMemory(folder: string, size: number): Promise<void>;
  /** Unmounts everything at or below the folder. */
  unmountBelow(folder: string): Promise<void>;
}

/** This machine's mounts, by the system's own commands. */
export const linuxMounts: HostMounts = {
  async mountMemory(folder, size) {
    if ((await mountPoints()).includes(await realpath(folder))) return;
    const options = `mode=0700${size > 0 ? `,size=${size}` : ""}`;
    const mount = (more: string) => run("mount", ["-t", "tmpfs", "-o", options + more, "tmpfs", folder]);
    await mount(",noswap").catch(() => mount("")); // kernels before 6.4 do not know it
  },
  async unmountBelow(folder) {
    const place = await realpath(folder).catch(() => folder);
    const points = (await mountPoints()).filter((p) => p === place || p.startsWith(`${place}/`));
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
