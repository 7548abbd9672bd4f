import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Encryption } from "../apiserver/encryption/encryption.ts";
import { systemClock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import { writeAtomically } from "../pki/files.ts";
import type { ServerConfig } from "./config.ts";

/** What --secrets-encryption keeps: the keys of Secrets, the one that writes first, and whether Secrets are encrypted at all now. */
export interface SecretsKeys {
  enabled: boolean;
  /** Base64, by their names. */
  keys: readonly { name: string; secret: string }[];
}

/** Where the EncryptionConfiguration of --secrets-encryption is. */
export function secretsKeysPath(dataDir: string): string {
  return join(dataDir, "pki", "secrets-encryption.json");
}

/** A new key for AES-GCM with 256 bits. */
export function newSecretsKey(): SecretsKeys["keys"][number] {
  return { name: `key-${randomBytes(4).toString("hex")}`, secret: randomBytes(32).toString("base64") };
}

/** Writes the keys as an EncryptionConfiguration, readable by the owner alone, and gives its text. */
export async function writeSecretsKeys(dataDir: string, { enabled, keys }: SecretsKeys): Promise<string> {
  const aesgcm = { aesgcm: { keys } };
  const identity = { identity: {} };
  const providers = enabled ? [aesgcm, identity] : [identity, aesgcm];
  const file = {
    apiVersion: "apiserver.config.k8s.io/v1",
    kind: "EncryptionConfiguration",
    resources: [{ resources: ["secrets"], providers }],
  };
  const text = `${JSON.stringify(file, null, 2)}\n`;
  await mkdir(join(dataDir, "pki"), { recursive: true, mode: 0o700 });
  await writeAtomically(secretsKeysPath(dataDir), text, 0o600);
  return text;
}

/** Reads them back; undefined when --secrets-encryption was never given. */
export function readSecretsKeys(dataDir: string): SecretsKeys | undefined {
  const path = secretsKeysPath(dataDir);
  if (!existsSync(path)) return undefined;
  const { resources } = JSON.parse(readFileSync(path, "utf8")) as {
    resources: [{ providers: { aesgcm?: { keys: SecretsKeys["keys"] } }[] }];
  }; // As written above.
  const { providers } = resources[0];
  return { enabled: providers[0]?.aesgcm !== undefined, keys: providers.find(({ aesgcm }) => aesgcm)?.aesgcm?.keys ?? [] };
}

/** Encryption at rest as the flags, or an earlier --secrets-encryption, want it; undefined for none, of which nothing is loaded then. */
export async function startEncryption(config: ServerConfig, log: Logger): Promise<Encryption | undefined> {
  const { dataDir, encryptionProviderConfig, secretsEncryption } = config;
  if (encryptionProviderConfig && secretsEncryption)
    throw new Error("--secrets-encryption and --encryption-provider-config cannot be given both: the second says all that the first does");
  const own = secretsKeysPath(dataDir);
  if (!encryptionProviderConfig && !existsSync(own)) {
    if (!secretsEncryption || config.inMemory) return undefined;
    await writeSecretsKeys(dataDir, { enabled: true, keys: [newSecretsKey()] });
  }
  const { Encryption } = await import("../apiserver/encryption/encryption.ts");
  return Encryption.start({
    path: encryptionProviderConfig || own,
    reload: !encryptionProviderConfig || config.encryptionProviderConfigAutomaticReload,
    clock: systemClock,
    log,
  });
}
