import { mkdir, realpath } from "node:fs/promises";
import { dirname } from "node:path";
import { type Document, isMap, isSeq, parseDocument, stringify, type YAMLMap } from "yaml";
import { PkiFailed, readIfThere, writeAtomically } from "./files.ts";

/** A kubeconfig file with one cluster, one user and one context. */
export interface Kubeconfig {
  apiVersion: "v1";
  kind: "Config";
  clusters: { name: string; cluster: { server: string; "certificate-authority-data": string } }[];
  users: { name: string; user: KubeconfigUser }[];
  contexts: { name: string; context: { cluster: string; user: string; namespace?: string } }[];
  "current-context": string;
}

/** How the user shows who he is. */
export type KubeconfigUser = { "client-certificate-data": string; "client-key-data": string } | { token: string };

/** What a kubeconfig is made from. */
export interface KubeconfigOptions {
  /** Names the cluster, the user and the context; default "hue". */
  name?: string;
  /** "https://127.0.0.1:6443" */
  server: string;
  /** The server authority's certificate, PEM. */
  authority: string;
  /** A client certificate and its key, PEM both; or a token. */
  user: { certificate: string; key: string } | { token: string };
  namespace?: string;
}

/** A kubeconfig for one user of one cluster, everything in it and no other files needed. */
export function makeKubeconfig({ name = "hue", server, authority, user, namespace }: KubeconfigOptions): Kubeconfig {
  const base64 = (pem: string): string => Buffer.from(pem).toString("base64");
  const credentials: KubeconfigUser =
    "token" in user ? user : { "client-certificate-data": base64(user.certificate), "client-key-data": base64(user.key) };
  return {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server, "certificate-authority-data": base64(authority) } }],
    users: [{ name, user: credentials }],
    contexts: [{ name, context: { cluster: name, user: name, ...(namespace === undefined ? {} : { namespace }) } }],
    "current-context": name,
  };
}

/** The kubeconfig as YAML text. */
export function kubeconfigYaml(config: Kubeconfig): string {
  return stringify(config, { lineWidth: 0 });
}

/** Writes the kubeconfig to a file of its own, readable by its owner only. Replaces what is there. Rejects with PkiFailed. */
export async function writeKubeconfig(path: string, config: Kubeconfig): Promise<void> {
  await makeFolder(path);
  await writeAtomically(path, kubeconfigYaml(config), 0o600);
}

/**
 * Puts the kubeconfig's cluster, user and context into an existing file (or a new one) and makes its context the current one. Entries of
 * the same names are replaced; all others, unknown fields and comments stay. Rejects with PkiFailed when the file is no kubeconfig.
 */
export async function mergeKubeconfig(path: string, config: Kubeconfig): Promise<void> {
  await makeFolder(path);
  // A linked file is replaced where it is; the link stays.
  const target = await realpath(path).catch(() => path);
  const text = await readIfThere(target);
  await writeAtomically(target, text?.trim() ? mergedYaml(path, text, config) : kubeconfigYaml(config), 0o600);
}

function mergedYaml(path: string, text: string, config: Kubeconfig): string {
  const document = parseDocument(text);
  if (document.errors.length > 0 || !isMap(document.contents))
    throw new PkiFailed(`${path} is not a kubeconfig; move it away, or name another file`);
  for (const list of ["clusters", "users", "contexts"] as const) for (const entry of config[list]) replaceEntry(document, list, entry);
  document.set("current-context", config["current-context"]);
  return document.toString({ lineWidth: 0 });
}

function replaceEntry(document: Document, list: string, entry: { name: string }): void {
  const entries = document.get(list);
  if (!isSeq(entries)) {
    document.set(list, document.createNode([entry]));
    return;
  }
  entries.flow = false;
  const node = document.createNode(entry);
  const at = entries.items.findIndex((item) => isMap(item) && (item as YAMLMap).get("name") === entry.name);
  if (at < 0) entries.items.push(node);
  else entries.items[at] = node;
}

async function makeFolder(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw new PkiFailed(`the folder of ${path} cannot be made: ${String(error)}`);
  });
}
