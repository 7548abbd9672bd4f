import { describe, expect, it } from "vitest";
import type { CertificateSigningRequest } from "../../../../src/api/types/certificates.v1.ts";
import { CertificateSigningRequests, Nodes, SubjectAccessReviews } from "../../../../src/api/types/resources.ts";
import { createRequest } from "../../../../src/pki/credentials.ts";
import { Cluster } from "./cluster.ts";

const client = "kubernetes.io/kube-apiserver-client-kubelet";
const serving = "kubernetes.io/kubelet-serving";

interface Asked {
  signerName: string;
  username: string;
  commonName?: string;
  names?: string[];
  usages?: string[];
  /** What a SubjectAccessReview says yes to. */
  allowed?: string[];
}

/** What becomes of a request: the certificate, or its conditions. */
async function ask({ signerName, username, commonName = "system:node:n1", names = [], usages, allowed = [] }: Asked): Promise<string> {
  const signed: string[] = [];
  const cluster = new Cluster(["certificatesigningrequest-approving", "certificatesigningrequest-signing"], {
    signCertificate: async (authority, _request, { usages: granted }) => {
      signed.push(`${authority} ${granted.join()}`);
      return "the certificate";
    },
  });
  const create = cluster.api.create.bind(cluster.api);
  cluster.api.create = async (target, object) => {
    if (target.resource !== SubjectAccessReviews) return create(target, object);
    const { spec } = object as { spec: { resourceAttributes: { subresource: string } } };
    return { apiVersion: "", kind: "", metadata: {}, status: { allowed: allowed.includes(spec.resourceAttributes.subresource) } };
  };
  const update = cluster.api.update.bind(cluster.api);
  cluster.api.update = (target, object) =>
    update(target.subresource === "approval" ? { ...target, subresource: "status" } : target, object);
  await cluster.create(Nodes, {
    metadata: { name: "n1" },
    spec: {},
    status: { addresses: [{ type: "InternalIP", address: "192.0.2.1" }] },
  });
  const { request } = createRequest({ commonName, organizations: ["system:nodes"], names });
  const spec = {
    signerName,
    username,
    request: Buffer.from(request).toString("base64"),
    usages: usages ?? ["digital signature", signerName === serving ? "server auth" : "client auth"],
  };
  await cluster.create(CertificateSigningRequests, { metadata: { name: "csr" }, spec });
  let csr: CertificateSigningRequest | undefined;
  // Verifying a signature takes real time.
  for (let i = 0; i < 50 && !csr?.status.certificate; i++) {
    await new Promise(setImmediate);
    await cluster.settle();
    csr = await cluster.get(CertificateSigningRequests, "csr");
  }
  const conditions = csr?.status.conditions?.map((c) => `${c.type}: ${c.message}`) ?? [];
  return csr?.status.certificate ? `${signed.join()}: ${Buffer.from(csr.status.certificate, "base64")}` : conditions.join() || "undecided";
}

describe("certificate requests of kubelets", () => {
  it.each<[string, Asked, string]>([
    [
      "a node that joins",
      { signerName: client, username: "system:bootstrap:abcdef", allowed: ["nodeclient"] },
      "client client auth: the certificate",
    ],
    [
      "a node that renews",
      { signerName: client, username: "system:node:n1", allowed: ["selfnodeclient"] },
      "client client auth: the certificate",
    ],
    ["somebody without that right", { signerName: client, username: "mallory" }, "undecided"],
    [
      "another name than a node's",
      { signerName: client, username: "system:bootstrap:abcdef", commonName: "admin", allowed: ["nodeclient"] },
      "undecided",
    ],
    [
      "more than a client's usages",
      { signerName: client, username: "system:node:n1", usages: ["client auth", "server auth"], allowed: ["selfnodeclient"] },
      "undecided",
    ],
    [
      "serving under its own name",
      { signerName: serving, username: "system:node:n1", names: ["n1.kubelet.hue.internal"] },
      "server server auth: the certificate",
    ],
    ["serving as somebody else", { signerName: serving, username: "system:node:n1", names: ["kubernetes.default"] }, "undecided"],
    ["serving on an address", { signerName: serving, username: "system:node:n1", names: ["192.0.2.1"] }, "undecided"],
    ["serving asked for by another node", { signerName: serving, username: "system:node:n2", names: ["n1.kubelet.hue.internal"] }, "undecided"],
  ])("%s", async (_name, asked, expected) => expect(await ask(asked)).toBe(expected));
});

it("old requests go: an hour after they are decided, a day after they were made", async () => {
  const cluster = new Cluster(["certificatesigningrequest-cleaner"]);
  const spec = { signerName: client, request: "" };
  await cluster.create(CertificateSigningRequests, { metadata: { name: "waiting" }, spec });
  const time = new Date(cluster.clock.now()).toISOString();
  await cluster.create(CertificateSigningRequests, {
    metadata: { name: "denied" },
    spec,
    status: { conditions: [{ type: "Denied", status: "True", lastUpdateTime: time }] },
  });
  const names = async () => (await cluster.list(CertificateSigningRequests)).map((c) => c.metadata.name);
  await cluster.pass(3_500);
  expect(await names()).toEqual(["waiting", "denied"]);
  await cluster.pass(200);
  expect(await names()).toEqual(["waiting"]);
  await cluster.pass(86_400);
  expect(await names()).toEqual([]);
});
