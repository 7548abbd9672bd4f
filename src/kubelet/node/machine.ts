import { readFileSync } from "node:fs";
import { readFile, readdir, statfs } from "node:fs/promises";
import { arch, cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import type { NodeSystemInfo } from "../../api/types/core.v1.ts";
import { kubernetesVersion } from "../../lib/version.ts";

/** What a machine is and has. */
export interface Machine {
  /** cpu, memory, ephemeral-storage, hugepages-*, pods, as quantities. */
  capacity: Record<string, string>;
  info: NodeSystemInfo;
}

const simulated = new Map<string, Promise<Machine>>();

/** Like readMachine, but read once for all nodes that are only simulated: five thousand of them share one machine, object and all. */
export function readSharedMachine(dataDir: string, runtimeVersion: string): Promise<Machine> {
  const id = `${runtimeVersion} ${dataDir}`;
  let machine = simulated.get(id);
  if (!machine) simulated.set(id, (machine = readMachine(dataDir, runtimeVersion)));
  return machine;
}

/** Reads this machine; storage is that of the file system with that folder. */
export async function readMachine(dataDir: string, runtimeVersion: string, maxPods = 110): Promise<Machine> {
  const disk = await statfs(dataDir).catch(() => undefined);
  const capacity: Record<string, string> = {
    cpu: String(cpus().length),
    "ephemeral-storage": disk ? `${Math.floor((disk.blocks * disk.bsize) / 1024)}Ki` : "0",
    ...(await hugePages()),
    memory: `${Math.floor(totalmem() / 1024)}Ki`,
    pods: String(maxPods),
  };
  const text = (path: string): Promise<string> =>
    readFile(path, "utf8").then(
      (s) => s.trim(),
      () => "",
    );
  const machineID = (await text("/etc/machine-id")) || (await text("/var/lib/dbus/machine-id"));
  const info: NodeSystemInfo = {
    machineID,
    systemUUID: (await text("/sys/class/dmi/id/product_uuid")) || machineID,
    bootID: await text("/proc/sys/kernel/random/boot_id"),
    kernelVersion: release(),
    osImage: osImage(await text("/etc/os-release")),
    containerRuntimeVersion: runtimeVersion,
    kubeletVersion: kubernetesVersion.gitVersion,
    kubeProxyVersion: "",
    operatingSystem: "linux",
    architecture: goArchitecture(),
  };
  return { capacity, info };
}

/** The machine's architecture as Go and container images name it. */
export function goArchitecture(): string {
  const names: Record<string, string> = { x64: "amd64", ia32: "386" };
  return names[arch()] ?? arch();
}

function osImage(release: string): string {
  return /^PRETTY_NAME="?(.*?)"?$/m.exec(release)?.[1] ?? "Linux";
}

async function hugePages(): Promise<Record<string, string>> {
  const result: Record<string, string> = { "hugepages-1Gi": "0", "hugepages-2Mi": "0" };
  const folder = "/sys/kernel/mm/hugepages";
  for (const name of await readdir(folder).catch(() => [])) {
    const size = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1] ?? 0);
    const count = Number(await readFile(join(folder, name, "nr_hugepages"), "utf8").catch(() => "0"));
    const unit = size >= 1024 * 1024 ? `${size / 1024 / 1024}Gi` : size >= 1024 ? `${size / 1024}Mi` : `${size}Ki`;
    const total = (size * count) / 1024;
    result[`hugepages-${unit}`] = total === 0 ? "0" : `${total}Mi`;
  }
  return result;
}

let appArmor: boolean | undefined;

/** Whether this machine's kernel enforces AppArmor profiles; read once. */
export function hasAppArmor(): boolean {
  if (appArmor === undefined)
    try {
      appArmor = readFileSync("/sys/module/apparmor/parameters/enabled", "utf8").startsWith("Y");
    } catch {
      appArmor = false;
    }
  return appArmor;
}
