import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { join } from "node:path";
import type { Clock } from "../lib/clock.ts";
import { normalizeIp, parseCertificatePem } from "./certificate.ts";
import { PkiFailed, readIfThere, writeAtomically } from "./files.ts";
import { type Credentials, issueAuthority, issueLeaf, type LeafSpec, makeRequest, newKey } from "./issue.ts";
import type { RequestFacts } from "./request.ts";

export type { Credentials, LeafSpec } from "./issue.ts";
export type { RequestFacts } from "./request.ts";

const day = 24 * 60 * 60_000;
/** Authorities live 10 years and get a new certificate, for the same key, in the last of them. */
const authorityLife = 3650 * day;
const authorityMargin = 365 * day;
/** Other certificates live a year and are renewed when less than 90 days remain. */
const leafLife = 365 * day;
const leafMargin = 90 * day;
/** Clocks of other machines may be behind by that much. */
const backdate = 5 * 60_000;

/**
 * The authority of that file name in the folder: read, made when there is none, its certificate renewed when it ends soon.
 * An authority that cannot be read is never replaced: all that trust it would be cut off. Rejects with PkiFailed then.
 */
export async function ensureAuthority(folder: string, file: string, commonName: string, clock: Clock): Promise<Credentials> {
  const [certificatePath, keyPath] = [join(folder, `${file}.crt`), join(folder, `${file}.key`)];
  let [certificate, key] = await Promise.all([readIfThere(certificatePath), readIfThere(keyPath)]);
  if (certificate !== undefined && key === undefined)
    throw new PkiFailed(
      `${keyPath} is missing beside its certificate; restore it, or remove the whole folder to begin with new authorities`,
    );
  if (key === undefined) {
    key = newKey();
    // The key first: a key without a certificate can go on, the other way round cannot.
    await writeAtomically(keyPath, key, 0o600);
  }
  if (certificate !== undefined) checkPair(certificatePath, certificate, keyPath, key);
  else checkKey(keyPath, key);
  if (certificate === undefined || parseCertificatePem(certificate).notAfter - clock.now() < authorityMargin) {
    const name = certificate === undefined ? commonName : parseCertificatePem(certificate).commonName;
    const validity = { notBefore: clock.now() - day, notAfter: clock.now() + authorityLife };
    certificate = issueAuthority(name, key, validity);
    await writeAtomically(certificatePath, certificate, 0o644);
  }
  return { certificate, key };
}

function checkKey(path: string, key: string): void {
  try {
    createPrivateKey(key);
  } catch {
    throw new PkiFailed(`${path} is not a private key; restore it, or remove the whole folder to begin with new authorities`);
  }
}

function checkPair(certificatePath: string, certificate: string, keyPath: string, key: string): void {
  checkKey(keyPath, key);
  let parsed: X509Certificate;
  try {
    parsed = new X509Certificate(certificate);
  } catch {
    throw new PkiFailed(`${certificatePath} is not a certificate; restore it, or remove it to make it anew from its key`);
  }
  if (!parsed.checkPrivateKey(createPrivateKey(key)))
    throw new PkiFailed(`${certificatePath} does not belong to ${keyPath}; restore the one that was changed`);
}

/** The credentials of that file name: read when they are still fit, otherwise issued anew by the authority and written. */
export async function ensureLeaf(folder: string, file: string, authority: Credentials, spec: LeafSpec, clock: Clock): Promise<Credentials> {
  const [certificatePath, keyPath] = [join(folder, `${file}.crt`), join(folder, `${file}.key`)];
  const [certificate, key] = await Promise.all([readIfThere(certificatePath), readIfThere(keyPath)]);
  if (certificate !== undefined && key !== undefined && isFit({ certificate, key }, authority, spec, clock.now()))
    return { certificate, key };
  const fresh = newKey();
  const validity = { notBefore: clock.now() - backdate, notAfter: clock.now() + leafLife };
  const issued = { certificate: issueLeaf(authority, createPublicKey(fresh), spec, validity), key: fresh };
  await Promise.all([writeAtomically(keyPath, fresh, 0o600), writeAtomically(certificatePath, issued.certificate, 0o644)]);
  return issued;
}

/** Whether the credentials say what they should, come from the authority, belong together and live long enough. */
function isFit({ certificate, key }: Credentials, authority: Credentials, spec: LeafSpec, now: number): boolean {
  try {
    const facts = parseCertificatePem(certificate);
    const parsed = new X509Certificate(certificate);
    const present = new Set([...facts.dnsNames, ...facts.ips]);
    return (
      facts.notAfter - now >= leafMargin &&
      facts.commonName === spec.commonName &&
      facts.organizations.join("\n") === (spec.organizations ?? []).join("\n") &&
      (spec.names ?? []).every((name) => present.has(isIP(name) ? normalizeIp(name) : name)) &&
      parsed.checkPrivateKey(createPrivateKey(key)) &&
      parsed.verify(createPublicKey(authority.certificate))
    );
  } catch {
    return false;
  }
}

/** What a signer may grant: see signRequest. */
export interface Grant {
  usages: LeafSpec["usages"];
  /** Seconds; default a year. It is never longer than the authority lives. */
  expirationSeconds?: number | undefined;
}

/**
 * Signs a certificate request (PEM) with everything that it asks for: subject, DNS names, addresses. Whether that may be granted
 * is the caller's decision. Rejects when it is no request, or not signed by its own key.
 */
export async function signRequest(authority: Credentials, request: string, grant: Grant, now: number): Promise<string> {
  const { commonName, organizations, dnsNames, ips, publicKey } = await parseRequest(request);
  const spec = { commonName, organizations, names: [...dnsNames, ...ips], usages: grant.usages };
  const life = grant.expirationSeconds === undefined ? leafLife : grant.expirationSeconds * 1000;
  return issueLeaf(authority, publicKey, spec, { notBefore: now - backdate, notAfter: now + life });
}

/** What a certificate request (PEM) asks for. Rejects when it is no request, or not signed by its own key. */
export async function parseRequest(request: string): Promise<RequestFacts> {
  const { readRequest } = await import("./request.ts");
  return readRequest(request);
}

/** A new key and a certificate request for it: what a node that joins sends. */
export function createRequest(spec: Omit<LeafSpec, "usages">): { key: string; request: string } {
  const key = newKey();
  return { key, request: makeRequest(key, spec) };
}
