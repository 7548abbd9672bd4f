import { readFileSync } from "node:fs";

/** Linux capabilities by their number, as far as every engine knows them: 20.10 refuses PERFMON, BPF and CHECKPOINT_RESTORE by name. */
const names =
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN " +
  "NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME " +
  "SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ";

/** What this machine can give to containers: hue and the engine share its bounds. */
export interface HostCapabilities {
  available: readonly string[];
  /** False inside a container or virtual machine that withholds some: then Docker's own "privileged" and "ALL" fail. */
  complete: boolean;
}

/** Capabilities from the text of /proc/PID/status. */
export function parseCapabilities(status: string): HostCapabilities {
  const bounding = BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "1ffffffffff"}`);
  const all = names.split(" ");
  const available = all.filter((_, i) => (bounding >> BigInt(i)) & 1n);
  return { available, complete: available.length === all.length };
}

let known: HostCapabilities | undefined;

/** Those of this machine, read once. All of them where there is no /proc. */
export function hostCapabilities(): HostCapabilities {
  if (known) return known;
  let status = "";
  try {
    status = readFileSync("/proc/self/status", "utf8");
  } catch {
    // Not Linux: the engine runs in a virtual machine that withholds nothing.
  }
  return (known = parseCapabilities(status));
}
