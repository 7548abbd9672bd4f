import { createHash, createPublicKey, randomInt } from "node:crypto";

/** A bootstrap token, and with it, maybe, how to know the cluster that it is for. */
export interface JoinToken {
  /** 6 of [a-z0-9]: names the Secret bootstrap-token-ID in kube-system. */
  id: string;
  /** 16 of [a-z0-9]. */
  secret: string;
  /** SHA-256 of the public key of the server authority, hex; undefined: whoever answers is trusted. */
  authorityHash: string | undefined;
}

const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
const shape = /^(?:K10([0-9a-f]{64})::)?([a-z0-9]{6})\.([a-z0-9]{16})$/;

/** A new random bootstrap token, without the cluster's hash. */
export function newJoinToken(random: (below: number) => number = randomInt): JoinToken {
  const letters = (count: number): string => Array.from({ length: count }, () => alphabet[random(alphabet.length)]).join("");
  return { id: letters(6), secret: letters(16), authorityHash: undefined };
}

/** "ID.SECRET", or "K10HASH::ID.SECRET" when the token knows its cluster. */
export function formatJoinToken({ id, secret, authorityHash }: JoinToken): string {
  return authorityHash === undefined ? `${id}.${secret}` : `K10${authorityHash}::${id}.${secret}`;
}

/** The token in either form, undefined when the text is none. */
export function parseJoinToken(text: string): JoinToken | undefined {
  const match = shape.exec(text.trim());
  if (!match) return undefined;
  const [, authorityHash, id = "", secret = ""] = match;
  return { id, secret, authorityHash };
}

/** What a token pins: SHA-256 of the authority's public key (as kubeadm does, so that a renewed certificate fits as well), hex. */
export function authorityHash(certificate: string): string {
  return createHash("sha256")
    .update(createPublicKey(certificate).export({ type: "spki", format: "der" }))
    .digest("hex");
}

/** Whether that server authority (PEM) is the one that the token is for; yes when the token does not say. */
export function fitsAuthority(token: JoinToken, certificate: string): boolean {
  if (token.authorityHash === undefined) return true;
  try {
    return authorityHash(certificate) === token.authorityHash;
  } catch {
    return false;
  }
}
