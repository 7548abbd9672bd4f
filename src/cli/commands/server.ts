import { isIP } from "node:net";
import { join, resolve } from "node:path";
import { disableable } from "../../agent/config.ts";
import { isQuantity, value } from "../../api/meta/quantity.ts";
import { systemClock } from "../../lib/clock.ts";
import type { ServerConfig } from "../../server/config.ts";
import type { CliCommand } from "../command.ts";
import { ensureDockerEngine } from "../docker-engine.ts";
import { collectWhenIdle } from "../idle-memory.ts";
import { createLogger } from "../logger.ts";
import type { OptionValues } from "../options.ts";
import { untilSignal } from "../signals.ts";
import { UsageError } from "../usage-error.ts";
import { accessConfig, accessOptions } from "./access-options.ts";
import { auditConfig, auditOptions } from "./audit-options.ts";
import { defaultDataDir, duration, list, nodeConfig, nodeOptions, port, text } from "./node-options.ts";

/** `hue server`: the whole cluster in this process. */
export const serverCommand: CliCommand = {
  usage: "server",
  description: "Run a cluster: API server, scheduler, controllers and a node",
  options: [
    { flag: "https-listen-port", type: "number", value: "PORT", description: "Port of the API", default: 6443 },
    { flag: "bind-address", type: "string", value: "IP", description: "Address the API listens on", default: "0.0.0.0" },
    {
      flag: "advertise-address",
      type: "string",
      value: "IP",
      description: "Address at which pods and agents reach the API (default: the node's)",
    },
    {
      flag: "write-kubeconfig",
      type: "string",
      value: "FILE",
      description: "Where the administrator's kubeconfig goes (default: kubeconfig.yaml in the data folder)",
    },
    {
      flag: "token",
      type: "string",
      value: "TOKEN",
      description: "What agents join with (default: made at first start, kept in the data folder)",
    },
    { flag: "token-auth-file", type: "string", value: "FILE", description: 'CSV of static tokens: token,user,uid,"group1,group2"' },
    { flag: "secrets-encryption", type: "boolean", description: "Encrypt Secrets at rest, with a key that is kept in the data folder" },
    {
      flag: "encryption-provider-config",
      type: "string",
      value: "FILE",
      description: "EncryptionConfiguration: which resources are encrypted at rest, and with which keys",
    },
    {
      flag: "encryption-provider-config-automatic-reload",
      type: "boolean",
      description: "Take over changes of that file while the server runs",
    },
    { flag: "tls-san", type: "list", value: "NAME", description: "Further name or address for the API's certificate; may be repeated" },
    { flag: "cluster-cidr", type: "string", value: "CIDR", description: "Range of pod addresses", default: "10.42.0.0/16" },
    { flag: "service-cidr", type: "string", value: "CIDR", description: "Range of Service addresses", default: "10.43.0.0/16" },
    { flag: "service-node-port-range", type: "string", value: "RANGE", description: "Range of node ports", default: "30000-32767" },
    { flag: "cluster-dns", type: "string", value: "IP", description: "Address of the cluster's DNS", default: "10.43.0.10" },
    { flag: "cluster-domain", type: "string", value: "DOMAIN", description: "DNS domain of the cluster", default: "cluster.local" },
    {
      flag: "datastore-endpoint",
      type: "string",
      value: "URL",
      description: "Where the state is kept; empty or sqlite: the SQLite file in the data folder",
    },
    {
      flag: "max-requests-inflight",
      type: "number",
      value: "N",
      description: "Reading requests served at once; with the next one, what priority and fairness shares out",
      default: 400,
    },
    { flag: "max-mutating-requests-inflight", type: "number", value: "N", description: "Writing ones", default: 200 },
    {
      flag: "enable-priority-and-fairness",
      type: "boolean",
      description: "Share what is served at once by FlowSchemas and PriorityLevelConfigurations",
      default: true,
    },
    {
      flag: "history",
      type: "string",
      value: "DURATION",
      description: "How long the past can be read; 0: no longer than watches need",
      default: "24h",
    },
    { flag: "history-bytes", type: "string", value: "SIZE", description: "About how much of it is kept at most", default: "256Mi" },
    { flag: "disable", type: "list", value: "PART", description: `Parts to leave out: ${disableable.join(", ")}` },
    {
      flag: "simulated-nodes",
      type: "number",
      value: "N",
      description: "Further nodes without containers inside this process",
      default: 0,
    },
    {
      flag: "install-engine",
      type: "boolean",
      description: "Install and start Debian's docker.io when no Docker Engine answers (root only)",
    },
    ...accessOptions,
    ...auditOptions,
    ...nodeOptions,
  ],
  examples: [
    "server",
    "server --runtime=simulated --data-dir /tmp/hue --https-listen-port 7443",
    "server --disable ingress --node-label disk=ssd",
  ],
  async run({ options, env }) {
    const config = serverConfig(options, env);
    if (config.node.runtime === "docker") await ensureDockerEngine(config.node.dockerHost, options["install-engine"] === true);
    const { startServer } = await import("../../server/server.ts");
    const log = createLogger(text(options, "log-level"));
    const server = await startServer(config, log);
    collectWhenIdle(systemClock);
    console.log(welcome(server.url, config.writeKubeconfig));
    await untilSignal();
    await server.stop();
    return 0;
  },
};

function welcome(url: string, kubeconfig: string): string {
  const next = kubeconfig ? `\n  export KUBECONFIG=${kubeconfig}\n  kubectl get nodes` : "";
  return `hue: the cluster is up at ${url}${next}`;
}

/** Reads the server's options. Throws UsageError, naming the flag. */
function serverConfig(options: OptionValues, env: NodeJS.ProcessEnv): ServerConfig {
  const dataDir = resolve(text(options, "data-dir") || defaultDataDir(env));
  const disable = list(options, "disable");
  const unknown = disable.find((part) => !disableable.some((known) => known === part));
  if (unknown !== undefined) throw new UsageError(`--disable: "${unknown}" must be one of ${disableable.join(", ")}`);
  const datastore = text(options, "datastore-endpoint");
  if (datastore !== "" && datastore !== "sqlite")
    throw new UsageError(
      `--datastore-endpoint: "${datastore}" is not supported; leave it out to keep the state in SQLite in the data folder`,
    );
  for (const flag of ["bind-address", "advertise-address", "node-ip", "cluster-dns"])
    if (text(options, flag) && !isIP(text(options, flag))) throw new UsageError(`--${flag}: "${text(options, flag)}" is not an IP address`);
  const [first = Number.NaN, last = Number.NaN] = text(options, "service-node-port-range").split("-").map(Number);
  if (!(first >= 1 && first <= last && last <= 65535))
    throw new UsageError(
      `--service-node-port-range: "${text(options, "service-node-port-range")}" must be FIRST-LAST, such as 30000-32767`,
    );
  const simulatedNodes = Number(options["simulated-nodes"]);
  if (simulatedNodes < 0) throw new UsageError(`--simulated-nodes: ${simulatedNodes} must not be negative`);
  return {
    dataDir,
    inMemory: false,
    history: { milliseconds: duration(options, "history"), bytes: size(options, "history-bytes") },
    bindAddress: text(options, "bind-address"),
    httpsPort: port(options, "https-listen-port"),
    advertiseAddress: text(options, "advertise-address"),
    writeKubeconfig: resolve(text(options, "write-kubeconfig") || join(dataDir, "kubeconfig.yaml")),
    token: text(options, "token"),
    tokenAuthFile: text(options, "token-auth-file"),
    encryptionProviderConfig: file(options, "encryption-provider-config"),
    encryptionProviderConfigAutomaticReload: options["encryption-provider-config-automatic-reload"] === true,
    secretsEncryption: options["secrets-encryption"] === true,
    tlsSans: list(options, "tls-san"),
    clusterCIDR: cidr(options, "cluster-cidr"),
    serviceCIDR: cidr(options, "service-cidr"),
    clusterDNS: text(options, "cluster-dns"),
    clusterDomain: text(options, "cluster-domain"),
    nodePortRange: text(options, "service-node-port-range"),
    limits: requestLimits(options),
    disable,
    access: accessConfig(options),
    audit: auditConfig(options),
    node: nodeConfig(options),
    simulatedNodes,
  };
}

/** The absolute path that the flag names; "" when it was left out. */
function file(options: OptionValues, flag: string): string {
  return text(options, flag) && resolve(text(options, flag));
}

function requestLimits(options: OptionValues): ServerConfig["limits"] {
  const limit = (flag: string): number => {
    const value = Number(options[flag]);
    if (value < 0) throw new UsageError(`--${flag}: ${value} must not be negative`);
    return value;
  };
  const [readOnly, mutating] = [limit("max-requests-inflight"), limit("max-mutating-requests-inflight")];
  const fairness = options["enable-priority-and-fairness"] !== false;
  if (fairness && readOnly + mutating === 0)
    throw new UsageError("--max-requests-inflight and --max-mutating-requests-inflight must add up to something positive");
  return { readOnly, mutating, fairness };
}

function size(options: OptionValues, flag: string): number {
  const given = text(options, flag);
  const bytes = isQuantity(given) ? value(given) : -1;
  if (bytes < 0) throw new UsageError(`--${flag}: "${given}" is no size such as 256Mi`);
  return bytes;
}

function cidr(options: OptionValues, flag: string): string {
  const value = text(options, flag);
  const [address = "", bits = ""] = value.split("/");
  if (isIP(address) !== 4 || !/^\d+$/.test(bits) || Number(bits) > 28)
    throw new UsageError(`--${flag}: "${value}" is not an IPv4 range such as 10.42.0.0/16`);
  return value;
}
