import { existsSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { type ClusterSettings, parseClusterSettings } from "../../agent/cluster-settings.ts";
import { isDataDirLocked } from "../../agent/data-lock.ts";
import { readSettings } from "../../server/cluster-settings.ts";
import type { CliCommand } from "../command.ts";
import { text } from "./node-options.ts";
import { UsageError } from "../usage-error.ts";

/** What a data folder tells of the cluster that it belongs to. */
interface Found {
  settings: ClusterSettings;
  serverAuthority: string;
}

/** `hue cleanup` */
export const cleanupCommand: CliCommand = {
  usage: "cleanup",
  description: "Remove every container, rule, link and folder that hue made for a data folder, and nothing else",
  options: [
    { flag: "data-dir", type: "string", value: "DIR", description: "The data folder of the server or agent" },
    { flag: "docker-host", type: "string", value: "ADDRESS", description: "Docker Engine, as in DOCKER_HOST (default: its socket)" },
    { flag: "keep-data", type: "boolean", description: "Leave the data folder itself: the state, certificates and volumes" },
  ],
  examples: ["cleanup --data-dir /var/lib/hue"],
  async run({ options }) {
    if (!text(options, "data-dir")) throw new UsageError("cleanup needs --data-dir, the folder whose things are to be removed");
    const dataDir = resolve(text(options, "data-dir"));
    if (!existsSync(dataDir)) throw new UsageError(`${dataDir} is not there: nothing to remove`, 1);
    const found = server(dataDir) ?? agent(dataDir);
    if (!found) throw new UsageError(`${dataDir} is not a data folder of hue`, 1);
    if (await isDataDirLocked(dataDir)) throw new UsageError(`hue is running on ${dataDir}: stop it first`, 1);
    const { cleanupNode } = await import("../../agent/cleanup.ts");
    const removed = await cleanupNode({ dataDir, dockerHost: text(options, "docker-host"), ...found });
    if (options["keep-data"] !== true) rmSync(dataDir, { recursive: true, force: true });
    console.log(
      `removed ${removed.containers} containers, the rules, links and routes${options["keep-data"] === true ? "" : ` and ${dataDir}`}`,
    );
    return 0;
  },
};

function server(dataDir: string): Found | undefined {
  const authority = join(dataDir, "pki", "server-ca.crt");
  const settings = readSettings(dataDir);
  return settings && existsSync(authority) ? { settings, serverAuthority: readFileSync(authority, "utf8") } : undefined;
}

function agent(dataDir: string): Found | undefined {
  const [settings, authority] = [join(dataDir, "agent", "cluster.json"), join(dataDir, "agent", "server-ca.crt")];
  if (!existsSync(settings) || !existsSync(authority)) return undefined;
  return { settings: parseClusterSettings(readFileSync(settings, "utf8")), serverAuthority: readFileSync(authority, "utf8") };
}
