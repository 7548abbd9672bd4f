import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseCertificatePem } from "../pki/certificate.ts";
import type { Credentials } from "../pki/credentials.ts";
import { writeAtomically } from "../pki/files.ts";
import { type ClusterSettings, parseClusterSettings } from "./cluster-settings.ts";

/** What a node needs to talk to its cluster. */
export interface NodeIdentity {
  cluster: ClusterSettings;
  /** The authority of what servers and kubelets show, PEM. */
  serverAuthority: string;
  /** The authority of what clients show to this node's kubelet, PEM. */
  clientAuthority: string;
  /** What the node shows to the API server; replaced when it is renewed. */
  credentials: Credentials;
}

const files = {
  cluster: "cluster.json",
  serverAuthority: "server-ca.crt",
  clientAuthority: "client-ca.crt",
  key: "client.key",
  certificate: "client.crt",
} as const;

/** The identity kept from an earlier start; undefined when there is none that is still good for this node. */
export async function readIdentity(folder: string, nodeName: string, now: number): Promise<NodeIdentity | undefined> {
  try {
    const read = (file: string): Promise<string> => readFile(join(folder, file), "utf8");
    const identity = {
      cluster: parseClusterSettings(await read(files.cluster)),
      serverAuthority: await read(files.serverAuthority),
      clientAuthority: await read(files.clientAuthority),
      credentials: { key: await read(files.key), certificate: await read(files.certificate) },
    };
    const facts = parseCertificatePem(identity.credentials.certificate);
    return facts.commonName === `system:node:${nodeName}` && facts.notAfter > now ? identity : undefined;
  } catch {
    // Nothing kept, or not readable: the node joins anew.
    return undefined;
  }
}

/** Keeps the identity for the next start. */
export async function writeIdentity(folder: string, identity: NodeIdentity): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeAtomically(join(folder, files.cluster), JSON.stringify(identity.cluster), 0o644);
  await writeAtomically(join(folder, files.serverAuthority), identity.serverAuthority, 0o644);
  await writeAtomically(join(folder, files.clientAuthority), identity.clientAuthority, 0o644);
  await writeAtomically(join(folder, files.key), identity.credentials.key, 0o600);
  await writeAtomically(join(folder, files.certificate), identity.credentials.certificate, 0o644);
}
