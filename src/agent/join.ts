import { mkdir, readFile } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import { parse } from "yaml";
import { Client } from "../client/client.ts";
import { createHttpsTransport } from "../client/https-transport.ts";
import type { Logger } from "../lib/log.ts";
import { parseCertificatePem } from "../pki/certificate.ts";
import type { Credentials } from "../pki/credentials.ts";
import { writeAtomically } from "../pki/files.ts";
import { fitsAuthority, formatJoinToken, parseJoinToken } from "../pki/join-token.ts";
import { clientAuthorityKey } from "./cluster-settings.ts";
import { requestCertificate } from "./certificates.ts";

/** What a node needs to talk to its cluster. */
export interface NodeIdentity {
  /** The authority of what servers and kubelets show, PEM. */
  serverAuthority: string;
  /** The authority of what clients show to this node's kubelet, PEM. */
  clientAuthority: string;
  credentials: Credentials;
}

/** What the agent joins with. */
export interface JoinOptions {
  /** https://HOST:PORT */
  server: string;
  token: string;
  /** Where the identity is kept. */
  folder: string;
  nodeName: string;
  log: Logger;
}

/** A certificate is asked for anew when less than this is left of it, in milliseconds. */
const renewBefore = 30 * 24 * 3_600_000;

/**
 * The node's identity: the one that is kept from an earlier start, or a new one by the bootstrap token. The token's hash proves the server
 * before anything secret is sent. Rejects with a sentence that says what to do.
 */
export async function joinCluster(options: JoinOptions): Promise<NodeIdentity> {
  const kept = await readIdentity(options.folder, options.nodeName);
  if (kept) return kept;
  const token = parseJoinToken(options.token);
  if (!token)
    throw new Error(
      options.token
        ? "--token is not a join token: copy it from hue token create, or the file token in the server's data folder"
        : "--token is needed to join for the first time: see hue token create",
    );
  const { serverAuthority, clientAuthority } = await clusterInfo(options.server);
  if (!fitsAuthority(token, serverAuthority)) throw new Error(`the server at ${options.server} is not the one that the token is for`);
  if (token.authorityHash === undefined)
    options.log.warn({ server: options.server }, "the token does not name its cluster (K10...): whoever answered is trusted");
  const transport = createHttpsTransport({
    server: options.server,
    ca: serverAuthority,
    token: formatJoinToken({ ...token, authorityHash: undefined }),
  });
  try {
    const spec = { commonName: `system:node:${options.nodeName}`, organizations: ["system:nodes"] };
    const credentials = await requestCertificate(new Client(transport), "client", spec);
    const identity = { serverAuthority, clientAuthority, credentials };
    await writeIdentity(options.folder, identity);
    return identity;
  } finally {
    transport.close();
  }
}

const files = { serverAuthority: "server-ca.crt", clientAuthority: "client-ca.crt", key: "client.key", certificate: "client.crt" } as const;

async function readIdentity(folder: string, nodeName: string): Promise<NodeIdentity | undefined> {
  try {
    const read = (file: string): Promise<string> => readFile(join(folder, file), "utf8");
    const [serverAuthority, clientAuthority, key, certificate] = await Promise.all(Object.values(files).map(read));
    if (!serverAuthority || !clientAuthority || !key || !certificate) return undefined;
    const facts = parseCertificatePem(certificate);
    const fits = facts.commonName === `system:node:${nodeName}` && facts.notAfter > Date.now() + renewBefore;
    return fits ? { serverAuthority, clientAuthority, credentials: { key, certificate } } : undefined;
  } catch {
    return undefined;
  }
}

async function writeIdentity(folder: string, { serverAuthority, clientAuthority, credentials }: NodeIdentity): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeAtomically(join(folder, files.serverAuthority), serverAuthority, 0o644);
  await writeAtomically(join(folder, files.clientAuthority), clientAuthority, 0o644);
  await writeAtomically(join(folder, files.key), credentials.key, 0o600);
  await writeAtomically(join(folder, files.certificate), credentials.certificate, 0o644);
}

/** The cluster's authorities, as the server gives them to anybody; the caller proves them by the token's hash. */
async function clusterInfo(server: string): Promise<{ serverAuthority: string; clientAuthority: string }> {
  const info = JSON.parse(await fetchUnverified(`${server}/api/v1/namespaces/kube-public/configmaps/cluster-info`));
  const kubeconfig = parse(info.data?.kubeconfig ?? "");
  const data = kubeconfig?.clusters?.[0]?.cluster?.["certificate-authority-data"];
  const clientAuthority = info.data?.[clientAuthorityKey];
  if (typeof data !== "string" || typeof clientAuthority !== "string")
    throw new Error(`${server} is no hue server: it does not publish its cluster-info`);
  return { serverAuthority: Buffer.from(data, "base64").toString(), clientAuthority };
}

function fetchUnverified(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const refuse = (why: string): void => reject(new Error(`cannot join by ${new URL(url).origin}: ${why}`));
    const call = request(url, { rejectUnauthorized: false, timeout: 10_000 }, (reply) => {
      let body = "";
      reply.on("data", (chunk) => (body += chunk));
      reply.on("end", () => (reply.statusCode === 200 ? resolve(body) : refuse(`it answers ${reply.statusCode}`)));
    });
    call.on("timeout", () => call.destroy(new Error("no answer in 10 s")));
    call.on("error", (error) => refuse(error.message));
    call.end();
  });
}
