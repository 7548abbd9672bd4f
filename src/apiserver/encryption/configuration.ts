import { anything, duration, integer, list, object, readConfiguration, text } from "../configuration/shape.ts";

/** A key by its name, which is written beside what it encrypts. */
export interface NamedKey {
  name: string;
  secret: Buffer;
}

/** One way to write values, as the file has it. */
export type ProviderConfiguration =
  | { type: "aescbc" | "aesgcm" | "secretbox"; keys: readonly NamedKey[] }
  /** The plugin's socket; how long a call may take, in milliseconds. */
  | { type: "kms"; name: string; socket: string; timeout: number }
  | { type: "identity" };

/** Resources as "secrets", "deployments.apps", "*.apps", "*." (the core group) or "*.*", and their providers: the first writes, all read. */
export interface ResourceConfiguration {
  resources: readonly string[];
  providers: readonly ProviderConfiguration[];
}

const keys = object({ keys: list(object({ name: text, secret: text })) });
const kms = object({ apiVersion: text, name: text, cachesize: integer, endpoint: text, timeout: duration });
const provider = object({ aescbc: keys, aesgcm: keys, secretbox: keys, kms, identity: anything });
const file = {
  versions: ["apiserver.config.k8s.io/v1"],
  kind: "EncryptionConfiguration",
  formerly: "v1 EncryptionConfig", // as upstream's documentation had it before 1.13
  fields: { resources: list(object({ resources: list(text), providers: list(provider) })) },
};

type SentProvider = ReturnType<typeof provider.read>;
type SentKeys = ReturnType<typeof keys.read>;
type SentKms = ReturnType<typeof kms.read>;

const keySizes = { aescbc: [16, 24, 32], aesgcm: [16, 24, 32], secretbox: [32] };
const keyed = ["aescbc", "aesgcm", "secretbox"] as const;

/**
 * Reads an EncryptionConfiguration (apiserver.config.k8s.io/v1, see "Encrypting Confidential Data at Rest"). Throws an Error with the
 * field's path and upstream's words; no key is ever part of them.
 */
export function readEncryptionConfiguration(yaml: string): ResourceConfiguration[] {
  const { resources: entries } = readConfiguration(yaml, file);
  const kmsNames = new Set<string>();
  return needed(entries, "resources").map(({ resources, providers }, i) => {
    const at = `resources[${i}]`;
    checkResources(needed(resources, `${at}.resources`), `${at}.resources`);
    const read = needed(providers, `${at}.providers`).map((one, j) => readProvider(one, `${at}.providers[${j}]`, kmsNames));
    return { resources: resources ?? [], providers: read };
  });
}

function readProvider(sent: SentProvider, at: string, kmsNames: Set<string>): ProviderConfiguration {
  const given = Object.keys(sent).length;
  if (given > 1) throw new Error(`${at}: more than one provider specified in a single element, should split into different list elements`);
  if (sent.kms) return readKms(sent.kms, `${at}.kms`, kmsNames);
  for (const type of keyed) {
    const one = sent[type];
    if (one) return { type, keys: readKeys(one, `${at}.${type}.keys`, keySizes[type]) };
  }
  if (given === 0)
    throw new Error(`${at}: provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity`);
  return { type: "identity" };
}

function readKeys(sent: SentKeys, path: string, sizes: readonly number[]): NamedKey[] {
  return needed(sent.keys, path, "keys").map(({ name, secret }, i) => {
    const at = `${path}[${i}]`;
    if (!name) throw required(`${at}.name`, "name is a mandatory field for a key");
    if (!secret) throw required(`${at}.secret`, "secret is a mandatory field for a key");
    if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(secret)) throw invalid(`${at}.secret`, "REDACTED", "secrets must be base64 encoded");
    const bytes = Buffer.from(secret, "base64");
    const why = `secret is not of the expected length, got ${bytes.length}, expected one of [${sizes.join(" ")}]`;
    if (!sizes.includes(bytes.length)) throw invalid(`${at}.secret`, "REDACTED", why);
    return { name, secret: bytes };
  });
}

function readKms(sent: SentKms, at: string, names: Set<string>): ProviderConfiguration {
  const { name, endpoint, timeout = 3000, apiVersion = "v1" } = sent;
  if (!name) throw required(`${at}.name`, "name is a mandatory field for a provider");
  if (name.includes(":")) throw invalid(`${at}.name`, name, `invalid KMS provider name ${name}, must not contain ':'`);
  if (names.has(name)) throw invalid(`${at}.name`, name, `duplicate KMS provider name ${name}, names must be unique`);
  names.add(name);
  if (timeout <= 0) throw invalid(`${at}.timeout`, timeout, "timeout should be a positive value");
  if (!endpoint) throw invalid(`${at}.endpoint`, "", "endpoint is a mandatory field for a kms");
  const [, scheme = "", socket = ""] = /^([a-z0-9+.-]*):\/\/(.*)$/i.exec(endpoint) ?? [];
  if (scheme !== "unix")
    throw invalid(`${at}.endpoint`, endpoint, `unsupported scheme "${scheme}" for KMS provider, only unix is supported`);
  if (apiVersion === "v1")
    throw invalid(
      `${at}.apiVersion`,
      apiVersion,
      "KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead.",
    );
  if (apiVersion !== "v2")
    throw invalid(`${at}.apiVersion`, apiVersion, "unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported");
  if (sent.cachesize !== undefined) throw invalid(`${at}.cachesize`, sent.cachesize, "cachesize is not supported in v2");
  // "@name" is a socket of the abstract kind.
  return { type: "kms", name, socket: socket.replace(/^\/?@/, "\0"), timeout };
}

const noRestApi = ["apiserveripinfo", "serviceipallocations", "servicenodeportallocations"];

function checkResources(resources: readonly string[], path: string): void {
  if (new Set(resources).size < resources.length) throw invalid(path, resources, "the same resource cannot be specified multiple times");
  const parts = resources.map(splitResource);
  const overlaps = parts.some(([plural, group]) =>
    group === "*" ? parts.length > 1 : plural === "*" && parts.some(([other, same]) => same === group && other !== "*"),
  );
  const masked = "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked";
  if (overlaps) throw invalid(path, resources, masked);
  for (const [i, resource] of resources.entries()) {
    const why = problemOf(resource);
    if (why) throw invalid(`${path}[${i}]`, resource, why);
  }
}

function problemOf(resource: string): string | undefined {
  const [plural, group] = splitResource(resource);
  if (resource.toLowerCase() !== resource) return "resource name should not contain capital letters";
  if (resource === "*") return "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources";
  if (noRestApi.includes(resource)) return "resources which do not have REST API/s cannot be encrypted";
  if (group === "events.k8s.io")
    return "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the config file";
  if (group === "extensions") return "'extensions' group has been removed and cannot be used for encryption";
  return group === "*" && plural !== "*" ? "encrypting the same resource across groups is not supported" : undefined;
}

function splitResource(resource: string): [plural: string, group: string] {
  const dot = resource.indexOf(".");
  return dot < 0 ? [resource, ""] : [resource.slice(0, dot), resource.slice(dot + 1)];
}

/** Whether one of the entry's resources is the store's ("/secrets", "apps/deployments"), by itself or by a wildcard. */
export function covers({ resources }: ResourceConfiguration, resource: string): boolean {
  const [group, plural] = resource.split("/", 2);
  return resources.map(splitResource).some(([name, of]) => (of === group && (name === plural || name === "*")) || of === "*");
}

function needed<T>(items: readonly T[] | undefined, path: string, what = path): readonly T[] {
  if (!items?.length) throw required(path, `at least one ${what} is required`);
  return items;
}

function required(path: string, why: string): Error {
  return new Error(`${path}: Required value: ${why}`);
}

function invalid(path: string, value: unknown, why: string): Error {
  return new Error(`${path}: Invalid value: ${JSON.stringify(value)}: ${why}`);
}
