import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Secret } from "../../api/types/core.v1.ts";
import type { RegistryCredentials } from "../runtime/runtime.ts";
import { registryOf } from "./reference.ts";

interface AuthEntry {
  auth?: string;
  username?: string;
  password?: string;
  identitytoken?: string;
}

/** What matters of a Secret here. */
type PullSecret = Pick<Secret, "data">;

/** Where whoever runs the kubelet has logged in ("docker login"): as a pull secret, which all pods of the node have. */
export async function nodePullSecrets(home = homedir()): Promise<PullSecret[]> {
  const secrets: PullSecret[] = [];
  for (const [key, path] of Object.entries({ ".dockerconfigjson": ".docker/config.json", ".dockercfg": ".dockercfg" })) {
    const text = await readFile(join(home, path), "base64").catch(() => undefined);
    if (text !== undefined) secrets.push({ data: { [key]: text } });
  }
  return secrets;
}

/** What the pull secrets say for the registry and path that an image comes from: the longest match wins; undefined when none does. */
export function credentialsFor(image: string, secrets: readonly PullSecret[]): RegistryCredentials | undefined {
  const registry = registryOf(image);
  const full =
    registry === "docker.io" && !image.startsWith("docker.io/") ? `docker.io/${image.includes("/") ? "" : "library/"}${image}` : image;
  let best: { length: number; entry: AuthEntry; server: string } | undefined;
  for (const secret of secrets) {
    for (const [server, entry] of Object.entries(authsOf(secret))) {
      const place = normalized(server);
      const matches = full === place || full.startsWith(`${place}/`) || wildcard(place, registry);
      if (matches && place.length > (best?.length ?? -1)) best = { length: place.length, entry, server };
    }
  }
  if (!best) return undefined;
  const { entry, server } = best;
  const [username = "", password = ""] = entry.auth ? split(Buffer.from(entry.auth, "base64").toString()) : [];
  return {
    username: entry.username ?? username,
    password: entry.password ?? password,
    serverAddress: server,
    ...(entry.identitytoken ? { identityToken: entry.identitytoken } : {}),
  };
}

function authsOf(secret: PullSecret): Record<string, AuthEntry> {
  const data = secret.data?.[".dockerconfigjson"] ?? secret.data?.[".dockercfg"];
  if (!data) return {};
  try {
    const config: unknown = JSON.parse(Buffer.from(data, "base64").toString());
    const auths = secret.data?.[".dockerconfigjson"] ? (config as { auths?: unknown }).auths : config;
    return (auths ?? {}) as Record<string, AuthEntry>; // a file of Docker's, written by a user: a wrong one gives no match
  } catch {
    return {};
  }
}

/** "https://index.docker.io/v1/" is "docker.io". */
function normalized(server: string): string {
  const place = server.replace(/^https?:\/\//, "").replace(/\/(v[12]\/?)?$/, "");
  return place === "index.docker.io" || place === "registry-1.docker.io" ? "docker.io" : place;
}

function wildcard(place: string, registry: string): boolean {
  if (!place.includes("*")) return false;
  const [a, b] = [place.split("."), registry.split(".")];
  return a.length === b.length && a.every((part, i) => part === b[i] || (part === "*" && b[i] !== ""));
}

function split(auth: string): [string, string] {
  const colon = auth.indexOf(":");
  return colon < 0 ? [auth, ""] : [auth.slice(0, colon), auth.slice(colon + 1)];
}
