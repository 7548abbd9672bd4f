import { request } from "node:https";
import { parse } from "yaml";
import { Client } from "../client/client.ts";
import { createHttpsTransport } from "../client/https-transport.ts";
import type { Logger } from "../lib/log.ts";
import { fitsAuthority, formatJoinToken, parseJoinToken } from "../pki/join-token.ts";
import { clientAuthorityKey, parseClusterSettings, settingsKey } from "./cluster-settings.ts";
import { requestCertificate } from "./certificates.ts";
import { type NodeIdentity, readIdentity, writeIdentity } from "./identity.ts";

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

/**
 * The node's identity: the one that is kept from an earlier start, or a new one by the bootstrap token. The token's hash proves the server
 * before anything secret is sent. Rejects with a sentence that says what to do.
 */
export async function joinCluster(options: JoinOptions): Promise<NodeIdentity> {
  const kept = await readIdentity(options.folder, options.nodeName, Date.now());
  if (kept) return kept;
  const token = parseJoinToken(options.token);
  if (!token)
    throw new Error(
      options.token
        ? "--token is not a join token: copy it from hue token create, or the file token in the server's data folder"
        : "--token is needed to join for the first time: see hue token create",
    );
  const { serverAuthority, clientAuthority, cluster } = await clusterInfo(options.server);
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
    const identity = { cluster, serverAuthority, clientAuthority, credentials };
    await writeIdentity(options.folder, identity);
    return identity;
  } finally {
    transport.close();
  }
}

/** The cluster's authorities, as the server gives them to anybody; the caller proves them by the token's hash. */
async function clusterInfo(server: string): Promise<Omit<NodeIdentity, "credentials">> {
  const info = JSON.parse(await fetchUnverified(`${server}/api/v1/namespaces/kube-public/configmaps/cluster-info`));
  const kubeconfig = parse(info.data?.kubeconfig ?? "");
  const data = kubeconfig?.clusters?.[0]?.cluster?.["certificate-authority-data"];
  const clientAuthority = info.data?.[clientAuthorityKey];
  if (typeof data !== "string" || typeof clientAuthority !== "string")
    throw new Error(`${server} is no hue server: it does not publish its cluster-info`);
  const cluster = parseClusterSettings(info.data?.[settingsKey] ?? "{}");
  return { serverAuthority: Buffer.from(data, "base64").toString(), clientAuthority, cluster };
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
