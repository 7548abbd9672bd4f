import { hostname } from "node:os";
import type { NodeConfig } from "../../agent/config.ts";
import { parseLongDuration } from "../../api/meta/time.ts";
import type { Option, OptionValues } from "../options.ts";
import { UsageError } from "../usage-error.ts";

/** The folder that hue keeps its things in when none is given: a system folder for root, else one of the user's own. */
export function defaultDataDir(env: NodeJS.ProcessEnv): string {
  return process.getuid?.() === 0 ? "/var/lib/hue" : `${env["HOME"] ?? "."}/.hue`;
}

/** What server and agent share. */
export const nodeOptions: readonly Option[] = [
  {
    flag: "data-dir",
    type: "string",
    value: "DIR",
    description: "Folder for everything that is kept (root: /var/lib/hue, others: ~/.hue)",
  },
  { flag: "node-name", type: "string", value: "NAME", description: "The node's name (default: the host name)" },
  {
    flag: "node-ip",
    type: "string",
    value: "IP",
    description: "Address at which the node is reached (default: that of the default route)",
  },
  { flag: "node-label", type: "list", value: "KEY=VALUE", description: "Label of the node; may be repeated" },
  { flag: "node-taint", type: "list", value: "KEY=VALUE:EFFECT", description: "Taint of the node; may be repeated" },
  {
    flag: "runtime",
    type: "string",
    value: "NAME",
    description: "docker, simulated (pods run without containers) or none",
    default: "docker",
  },
  { flag: "docker-host", type: "string", value: "ADDRESS", description: "Docker Engine, as in DOCKER_HOST (default: its socket)" },
  { flag: "kubelet-port", type: "number", value: "PORT", description: "HTTPS port of the kubelet; 0 takes any free one", default: 10250 },
  { flag: "pod-manifest-path", type: "string", value: "DIR", description: "Folder with manifests of static pods" },
  { flag: "ingress-http-port", type: "number", value: "PORT", description: "Host port for Ingress over HTTP", default: 80 },
  { flag: "ingress-https-port", type: "number", value: "PORT", description: "Host port for Ingress over HTTPS", default: 443 },
  { flag: "log-level", type: "string", value: "LEVEL", description: "debug, info, warn or error", default: "info" },
];

/** Reads the node's part of the options. Throws UsageError, naming the flag. */
export function nodeConfig(options: OptionValues): NodeConfig {
  const name = text(options, "node-name") || hostname().toLowerCase();
  if (!/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(name))
    throw new UsageError(`--node-name: "${name}" must be lower case letters, digits, "-" or ".", and begin and end with a letter or digit`);
  const runtime = text(options, "runtime");
  if (runtime !== "docker" && runtime !== "simulated" && runtime !== "none")
    throw new UsageError(`--runtime: "${runtime}" must be docker, simulated or none`);
  for (const label of list(options, "node-label"))
    if (!/^[^=]+=[^=]*$/.test(label)) throw new UsageError(`--node-label: "${label}" must be KEY=VALUE`);
  for (const taint of list(options, "node-taint"))
    if (!/^[^=:]+(=[^:]*)?:(NoSchedule|PreferNoSchedule|NoExecute)$/.test(taint))
      throw new UsageError(`--node-taint: "${taint}" must be KEY=VALUE:EFFECT, with the effect NoSchedule, PreferNoSchedule or NoExecute`);
  return {
    name,
    ip: text(options, "node-ip"),
    labels: list(options, "node-label"),
    taints: list(options, "node-taint"),
    runtime,
    dockerHost: text(options, "docker-host"),
    kubeletPort: port(options, "kubelet-port"),
    podManifestPath: text(options, "pod-manifest-path"),
    ingressHttpPort: port(options, "ingress-http-port"),
    ingressHttpsPort: port(options, "ingress-https-port"),
  };
}

/** A text option, "" when nobody gave it. */
export function text(options: OptionValues, flag: string): string {
  const value = options[flag];
  return value === undefined ? "" : String(value);
}

/** A list option. */
export function list(options: OptionValues, flag: string): readonly string[] {
  const value = options[flag];
  return Array.isArray(value) ? value : [];
}

/** A duration in milliseconds: 30m, 24h, 7d or 0; throws UsageError when it is none. */
export function duration(options: OptionValues, flag: string): number {
  const milliseconds = parseLongDuration(text(options, flag)) ?? -1;
  if (milliseconds < 0) throw new UsageError(`--${flag}: "${text(options, flag)}" is no duration such as 30m, 24h or 7d`);
  return milliseconds;
}

/** A port number; throws UsageError when it is none. */
export function port(options: OptionValues, flag: string): number {
  const value = Number(options[flag]);
  if (!(value >= 0 && value <= 65535)) throw new UsageError(`--${flag}: ${value} is not a port (0 to 65535)`);
  return value;
}
