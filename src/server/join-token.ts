import { join } from "node:path";
import { isReason } from "../api/errors.ts";
import { Secrets } from "../api/types/resources.ts";
import type { Client } from "../client/client.ts";
import { readIfThere, writeAtomically } from "../pki/files.ts";
import { authorityHash, formatJoinToken, type JoinToken, newJoinToken, parseJoinToken } from "../pki/join-token.ts";

const namespace = "kube-system";

/**
 * The server's own join token: the one given, else the one kept in the data folder's file "token" (0600), else a new one. It never
 * expires. Rejects when the given text is no token.
 */
export async function ensureJoinToken(client: Client, given: string, dataDir: string, authority: string): Promise<JoinToken> {
  const path = join(dataDir, "token");
  const kept = given || ((await readIfThere(path)) ?? "");
  const token = kept ? parseJoinToken(kept) : newJoinToken();
  if (!token)
    throw new Error(
      given
        ? "--token must be ID.SECRET, 6 and 16 lower case letters or digits, as hue token create prints it"
        : `${path} is not a join token: remove it, and a new one is made`,
    );
  const whole = { ...token, authorityHash: authorityHash(authority) };
  const text = `${formatJoinToken(whole)}\n`;
  if (text !== kept) await writeAtomically(path, text, 0o600);
  await ensureSecret(client, whole);
  return whole;
}

async function ensureSecret(client: Client, { id, secret }: JoinToken): Promise<void> {
  const name = `bootstrap-token-${id}`;
  const stringData = {
    "token-id": id,
    "token-secret": secret,
    "usage-bootstrap-authentication": "true",
    "usage-bootstrap-signing": "true",
    "auth-extra-groups": "system:bootstrappers:hue",
    description: "the server's own token",
  };
  try {
    await client.create(Secrets, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name, namespace },
      type: "bootstrap.kubernetes.io/token",
      stringData,
    });
  } catch (error) {
    if (!isReason(error, "AlreadyExists")) throw error;
  }
}
