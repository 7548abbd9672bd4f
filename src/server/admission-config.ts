import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { MakePlugin, PluginConfiguration } from "../apiserver/admission/optional/index.ts";
import type { PodSecuritySettings } from "../apiserver/admission/pod-security-policy.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";

/** Which admission plugins run, and how: what a server can be told. */
export interface AdmissionConfig {
  enable: readonly string[];
  disable: readonly string[];
  /** Path of an AdmissionConfiguration; "": none. */
  configFile: string;
}

/** What that adds to admission. */
export interface AdmissionChoice {
  disabled?: ReadonlySet<string>;
  added?: readonly MakePlugin[];
  podSecurity?: PodSecuritySettings;
}

/** Reads what the flags name. What is not asked for is not loaded. Rejects with an Error that names the flag. */
export async function loadAdmission(
  { enable, disable, configFile }: AdmissionConfig,
  parts: { clock: Clock; log: Logger; closing: (() => void)[] },
): Promise<AdmissionChoice> {
  if (enable.length === 0 && disable.length === 0 && !configFile) return {};
  const { choosePlugins } = await import("../apiserver/admission/plugins.ts");
  const { disabled, added } = choosePlugins(enable, disable);
  const configurations = configFile ? await readConfigurations(configFile) : new Map<string, PluginConfiguration>();
  const named = async <T>(name: string, make: () => Promise<T> | T): Promise<T> => {
    try {
      return await make();
    } catch (error) {
      throw new Error(`admission plugin ${name}: ${error instanceof Error ? error.message : error}`);
    }
  };
  const makers: MakePlugin[] = [];
  for (const name of added) {
    const { optionalPlugin } = await import("../apiserver/admission/optional/index.ts");
    makers.push(await named(name, () => optionalPlugin(name, configurations.get(name), parts)));
  }
  const security = configurations.get("PodSecurity");
  if (!security) return { disabled, added: makers };
  const { podSecuritySettings } = await import("../apiserver/admission/pod-security-policy.ts");
  return { disabled, added: makers, podSecurity: await named("PodSecurity", () => podSecuritySettings(security.value)) };
}

const configurable = ["EventRateLimit", "ImagePolicyWebhook", "PodNodeSelector", "PodSecurity", "PodTolerationRestriction"];

/** The parts of an AdmissionConfiguration by plugin, each from within it or from the file that it names. */
async function readConfigurations(path: string): Promise<Map<string, PluginConfiguration>> {
  const { anything, list, object, readConfiguration, text } = await import("../apiserver/configuration/shape.ts");
  const { parse } = await import("yaml");
  const kind = {
    versions: ["apiserver.config.k8s.io/v1", "apiserver.k8s.io/v1alpha1"],
    kind: "AdmissionConfiguration",
    fields: { plugins: list(object({ name: text, path: text, configuration: anything })) },
  };
  const folder = dirname(path);
  const found = new Map<string, PluginConfiguration>();
  try {
    for (const [index, { name = "", path: file, configuration }] of (
      readConfiguration(await readFile(path, "utf8"), kind).plugins ?? []
    ).entries()) {
      if (!configurable.includes(name))
        throw new Error(`plugins[${index}].name: "${name}" takes no configuration; these do: ${configurable.join(", ")}`);
      if (found.has(name)) throw new Error(`plugins[${index}].name: Duplicate value: "${name}"`);
      if (configuration !== undefined) found.set(name, { value: configuration, folder });
      else if (file) {
        const at = resolve(folder, file);
        found.set(name, { value: parse(await readFile(at, "utf8")), folder: dirname(at) });
      }
    }
  } catch (error) {
    throw new Error(`--admission-control-config-file: ${path}: ${error instanceof Error ? error.message : error}`);
  }
  return found;
}
