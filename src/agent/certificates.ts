import { join } from "node:path";
import { CertificateSigningRequests } from "../api/types/resources.ts";
import type { CertificateSigningRequest } from "../api/types/certificates.v1.ts";
import type { Client } from "../client/client.ts";
import { kubeletServerName } from "../api/streaming/kubelet-paths.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import { parseCertificatePem } from "../pki/certificate.ts";
import { createRequest, type Credentials, type LeafSpec } from "../pki/credentials.ts";
import { readIfThere, writeAtomically } from "../pki/files.ts";
import { type NodeIdentity, writeIdentity } from "./identity.ts";

/** Who signs what for nodes (see "Certificates and Certificate Signing Requests" in the Kubernetes documentation). */
export const signers = {
  client: { signerName: "kubernetes.io/kube-apiserver-client-kubelet", usages: ["digital signature", "client auth"] },
  serving: { signerName: "kubernetes.io/kubelet-serving", usages: ["digital signature", "server auth"] },
} as const;

/** How long a signature is waited for, in milliseconds. */
const patience = 60_000;

/** Asks the cluster for a certificate with a new key and waits until it is signed. Rejects when it is denied, or not signed in time. */
export async function requestCertificate(client: Client, kind: keyof typeof signers, spec: Omit<LeafSpec, "usages">): Promise<Credentials> {
  const { key, request } = await createRequest(spec);
  const signer = signers[kind];
  const created = await client.create(CertificateSigningRequests, {
    apiVersion: "certificates.k8s.io/v1",
    kind: "CertificateSigningRequest",
    metadata: { generateName: `node-${kind}-` },
    spec: { request: Buffer.from(request).toString("base64"), signerName: signer.signerName, usages: [...signer.usages] },
  });
  return { key, certificate: await signed(client, created) };
}

function signed(client: Client, request: CertificateSigningRequest): Promise<string> {
  const { name } = request.metadata;
  return new Promise((resolve, reject) => {
    let stop = (): void => {};
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      stop();
      settle();
    };
    const timer = setTimeout(
      () =>
        end(() =>
          reject(
            new Error(
              `the certificate request ${name} has not been signed in ${patience / 1000} s: kubectl describe csr ${name} tells more`,
            ),
          ),
        ),
      patience,
    );
    const look = (csr: CertificateSigningRequest): void => {
      const refused = csr.status.conditions?.find((c) => c.type === "Denied" || c.type === "Failed");
      if (refused) end(() => reject(new Error(`the certificate request ${name} is refused: ${refused.message ?? refused.reason}`)));
      else if (csr.status.certificate) end(() => resolve(Buffer.from(csr.status.certificate ?? "", "base64").toString()));
    };
    stop = client.transport.watch(
      { resource: CertificateSigningRequests },
      {
        event: ({ type, object }) => {
          if (type === "ADDED" || type === "MODIFIED") look(object as CertificateSigningRequest);
        },
        synced: () => {},
        closed: (error) => end(() => reject(error instanceof Error ? error : new Error("the server has ended the connection"))),
      },
      { fieldSelector: `metadata.name=${name}` },
    );
  });
}

/** A certificate is asked for anew when less than this is left of it, in milliseconds. */
const renewBefore = 60 * 24 * 3_600_000;

/** How often that is looked at, in milliseconds. */
const renewalCheck = 12 * 3_600_000;

/** What the node's kubelet shows: what was asked for earlier as long as it fits, else a new one. */
export async function ensureServingCertificate(client: Client, folder: string, nodeName: string, clock: Clock): Promise<Credentials> {
  const [keyFile, certificateFile] = [join(folder, "serving.key"), join(folder, "serving.crt")];
  const kept = { key: (await readIfThere(keyFile)) ?? "", certificate: (await readIfThere(certificateFile)) ?? "" };
  if (kept.key && kept.certificate) {
    const facts = parseCertificatePem(kept.certificate);
    if (facts.notAfter > clock.now() + renewBefore && facts.dnsNames.includes(kubeletServerName(nodeName))) return kept;
  }
  const spec = { commonName: `system:node:${nodeName}`, organizations: ["system:nodes"], names: [kubeletServerName(nodeName)] };
  const serving = await requestCertificate(client, "serving", spec);
  await writeAtomically(keyFile, serving.key, 0o600);
  await writeAtomically(certificateFile, serving.certificate, 0o644);
  return serving;
}

/** Renews the node's own certificate and its kubelet's long before they end, while the agent runs. Returns how to stop. */
export function keepCertificates(options: {
  client: Client;
  folder: string;
  nodeName: string;
  identity: NodeIdentity;
  /** What the kubelet shows now. */
  serving: Credentials;
  /** Called with what it has to show instead. */
  renewed: (serving: Credentials) => void;
  clock: Clock;
  log: Logger;
}): () => void {
  const { client, folder, nodeName, identity, clock, log, renewed } = options;
  let { serving } = options;
  const lookAtServing = async (): Promise<void> => {
    const now = await ensureServingCertificate(client, folder, nodeName, clock);
    if (now.certificate !== serving.certificate) renewed((serving = now));
  };
  const look = async (): Promise<void> => {
    if (parseCertificatePem(identity.credentials.certificate).notAfter > clock.now() + renewBefore) return;
    identity.credentials = await requestCertificate(client, "client", {
      commonName: `system:node:${nodeName}`,
      organizations: ["system:nodes"],
    });
    await writeIdentity(folder, identity);
  };
  let cancel = (): void => {};
  const again = (): void => {
    cancel = clock.after(renewalCheck, () => {
      for (const each of [look, lookAtServing])
        each().catch((error) => log.warn({ error: String(error) }, "the node's certificate could not be renewed"));
      again();
    });
  };
  again();
  return () => cancel();
}
