import { describe, expect, it } from "vitest";
import type { CertificateSigningRequest } from "../../../../src/api/types/certificates.v1.ts";
import { CertificateSigningRequests } from "../../../../src/api/types/resources.ts";
import { kubeletServerName } from "../../../../src/api/streaming/kubelet-paths.ts";
import { reasonToApprove } from "../../../../src/controllers/certificates/csr-approving.ts";
import { createRequest } from "../../../../src/pki/credentials.ts";
import { Cluster } from "./cluster.ts";
import { eventually } from "../../../support/eventually.ts";

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

function request({ signerName, username, commonName = "system:node:n1", names = [], usages }: Asked): CertificateSigningRequest {
  const pem = createRequest({ commonName, organizations: ["system:nodes"], names }).request;
  return {
    apiVersion: "certificates.k8s.io/v1",
    kind: "CertificateSigningRequest",
    metadata: { name: "csr", uid: "csr", resourceVersion: "1", creationTimestamp: "" },
    spec: {
      signerName,
      username,
      request: Buffer.from(pem).toString("base64"),
      usages: usages ?? ["digital signature", signerName === serving ? "server auth" : "client auth"],
    },
    status: {},
  };
}

describe("certificate requests of kubelets are approved", () => {
  const renewal = "Auto approving self kubelet client certificate after SubjectAccessReview.";
  const first = "Auto approving kubelet client certificate after SubjectAccessReview.";
  const served = "Auto approving kubelet serving certificate for the node's own name.";
  it.each<[string, Asked, string | undefined]>([
    ["of a node that joins", { signerName: client, username: "system:bootstrap:abcdef", allowed: ["nodeclient"] }, first],
    ["of a node that renews", { signerName: client, username: "system:node:n1", allowed: ["selfnodeclient"] }, renewal],
    ["not of somebody without that right", { signerName: client, username: "mallory" }, undefined],
    [
      "not under another name than a node's",
      { signerName: client, username: "system:bootstrap:abcdef", commonName: "admin", allowed: ["nodeclient"] },
      undefined,
    ],
    [
      "not for more than a client's usages",
      { signerName: client, username: "system:node:n1", usages: ["client auth", "server auth"], allowed: ["selfnodeclient"] },
      undefined,
    ],
    ["not by other signers", { signerName: "example.com/own", username: "system:node:n1", allowed: ["selfnodeclient"] }, undefined],
    ["for serving under its own name", { signerName: serving, username: "system:node:n1", names: [kubeletServerName("n1")] }, served],
    [
      "not for serving on an address: the node says itself which it has",
      { signerName: serving, username: "system:node:n1", names: ["192.0.2.1"] },
      undefined,
    ],
    ["not for serving as somebody else", { signerName: serving, username: "system:node:n1", names: ["kubernetes.default"] }, undefined],
    [
      "not for serving when another node asks",
      { signerName: serving, username: "system:node:n2", names: [kubeletServerName("n1")] },
      undefined,
    ],
  ])("%s", async (_name, asked, expected) => {
    const mayCreate = async (subresource: string) => asked.allowed?.includes(subresource) ?? false;
    expect(await reasonToApprove(request(asked), mayCreate)).toBe(expected);
  });
});

describe("an approved request", () => {
  async function signed(asked: Asked, done: (csr: CertificateSigningRequest) => void): Promise<string[]> {
    const granted: string[] = [];
    const cluster = new Cluster(["certificatesigningrequest-signing"], {
      signCertificate: async (authority, _request, { usages, expirationSeconds }) => {
        granted.push(`${authority} ${usages.join()} ${expirationSeconds}`);
        return "the certificate";
      },
    });
    const { spec } = request(asked);
    const status = { conditions: [{ type: "Approved", status: "True" }] };
    await cluster.create(CertificateSigningRequests, { metadata: { name: "csr" }, spec: { ...spec, expirationSeconds: 3600 }, status });
    await eventually(async () => done(await cluster.get(CertificateSigningRequests, "csr")));
    return granted;
  }

  it("gets its certificate from the right authority", async () => {
    const has = (csr: CertificateSigningRequest) =>
      expect(Buffer.from(csr.status.certificate ?? "", "base64").toString()).toBe("the certificate");
    expect(await signed({ signerName: client, username: "" }, has)).toEqual(["client client auth 3600"]);
    expect(await signed({ signerName: serving, username: "", names: ["n1"] }, has)).toEqual(["server server auth 3600"]);
  });

  it("that the signer must not sign fails, and says why", async () => {
    const failed = (csr: CertificateSigningRequest) =>
      expect(csr.status.conditions).toContainEqual(
        expect.objectContaining({ type: "Failed", reason: "SignerValidationFailure", message: "usages must contain server auth" }),
      );
    expect(await signed({ signerName: serving, username: "", names: ["n1"], usages: ["client auth"] }, failed)).toEqual([]);
  });
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
