import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isReason } from "../../api/errors.ts";
import { Secrets } from "../../api/types/resources.ts";
import type { SecretsKeys } from "../../server/secrets-encryption.ts";
import type { CliCommand } from "../command.ts";
import { connect, connectionOptions } from "../connection.ts";
import { UsageError } from "../usage-error.ts";
import { defaultDataDir, text } from "./node-options.ts";

type Connection = Awaited<ReturnType<typeof connect>>;

/** Milliseconds that the server may take to notice new keys. */
const patience = 30_000;

/** `hue secrets-encrypt status|enable|disable|rotate-keys|reencrypt`: the keys of a server with --secrets-encryption, as k3s has it. */
export const secretsEncryptCommand: CliCommand = {
  usage: "secrets-encrypt <action>",
  description: "Show and change how Secrets are encrypted: status, enable, disable, rotate-keys, reencrypt",
  options: connectionOptions,
  examples: ["secrets-encrypt status", "secrets-encrypt rotate-keys"],
  async run({ words: [action = ""], options, env }) {
    if (!["status", "enable", "disable", "rotate-keys", "reencrypt"].includes(action))
      throw new UsageError(`secrets-encrypt knows status, enable, disable, rotate-keys and reencrypt, not "${action}"`);
    const { newSecretsKey, readSecretsKeys, writeSecretsKeys } = await import("../../server/secrets-encryption.ts");
    const dataDir = resolve(text(options, "data-dir") || defaultDataDir(env));
    const kept = readSecretsKeys(dataDir);
    if (!kept) throw new UsageError(`${dataDir} has no keys for Secrets: start the server with --secrets-encryption`, 1);
    const connection = await connect(options, env);
    const change = async (keys: SecretsKeys): Promise<void> => takenOver(connection, await writeSecretsKeys(dataDir, keys));
    try {
      if (action === "enable" || action === "disable") await change({ ...kept, enabled: action === "enable" });
      else if (action === "rotate-keys") {
        const key = newSecretsKey();
        await change({ ...kept, keys: [key, ...kept.keys] });
        await rewrite(connection);
        await change({ ...kept, keys: [key] });
      }
      if (action !== "status") await rewrite(connection);
      console.log(await report(connection, readSecretsKeys(dataDir) ?? kept));
    } finally {
      connection.close();
    }
    return 0;
  },
};

async function report({ metrics }: Connection, { enabled, keys }: SecretsKeys): Promise<string> {
  const stale = (await metrics()).get("hue_encryption_stale_objects") ?? "unknown";
  const lines = [
    `Encryption: ${enabled ? "enabled" : "disabled"}`,
    `Active key: ${enabled ? `AES-GCM ${keys[0]?.name}` : "none"}`,
    `Secrets to rewrite: ${stale}`,
  ];
  return lines.join("\n");
}

/** Waits until the server works with that text. */
async function takenOver({ metrics }: Connection, text: string): Promise<void> {
  const hash = createHash("sha256").update(text).digest("hex");
  const sample = `apiserver_encryption_config_controller_last_config_info{hash="sha256:${hash}"}`;
  for (const end = Date.now() + patience; !(await metrics()).has(sample); await sleep(100))
    if (Date.now() > end) throw new UsageError("the server has not taken over the new keys; its log says why", 1);
}

/** Writes each Secret as it is: the server encrypts it with the active key where it was not. */
async function rewrite({ client }: Connection): Promise<void> {
  for (const secret of (await client.list(Secrets)).items)
    await client.update(Secrets, secret).catch((error: unknown) => {
      // Who changed it meanwhile has written it with the active key.
      if (!isReason(error, "Conflict") && !isReason(error, "NotFound")) throw error;
    });
}
