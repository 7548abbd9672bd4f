import { createPublicKey } from "node:crypto";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { machineAddress } from "../../../../../src/agent/machine-address.ts";
import type { KubeObject } from "../../../../../src/api/meta/object.ts";
import { EndpointSlices, Services } from "../../../../../src/api/types/resources.ts";
import type { Client } from "../../../../../src/client/client.ts";
import { issueAuthority, issueLeaf, newKey } from "../../../../../src/pki/issue.ts";

/** What a webhook of a test is asked, and what it answers. */
export interface Review {
  path: string;
  request: {
    uid: string;
    operation: string;
    kind: object;
    resource: object;
    requestResource: object;
    namespace?: string;
    name?: string;
    dryRun: boolean;
    // biome-ignore lint/suspicious/noExplicitAny: tests look into objects of every kind
    object: any;
    oldObject: KubeObject | null;
  };
}

/** Answers a review: the response without its uid, or a delay in milliseconds first. */
export type Answer = (review: Review) => { allowed: boolean; patch?: object[]; status?: object; warnings?: string[]; delay?: number };

/** An HTTPS server that is a webhook, also behind the Service default/hook. */
export interface WebhookServer {
  /** https://ADDRESS:PORT */
  url: string;
  caBundle: string;
  reviews: Review[];
  /** How many connections it has had. */
  connections(): number;
  answer: Answer;
  /** Makes the Service and its endpoint; the Service's port 443 is another than the endpoint's. */
  publish(client: Client): Promise<void>;
  stop(): Promise<void>;
}

/** Starts one; its certificate is for the Service and its address. */
export async function startWebhookServer(): Promise<WebhookServer> {
  const address = await machineAddress();
  const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 };
  const authorityKey = newKey();
  const authority = { key: authorityKey, certificate: issueAuthority("hooks", authorityKey, validity) };
  const key = newKey();
  const spec = { commonName: "hook", names: ["hook.default.svc", address], usages: ["server auth"] as const };
  const https = createServer({ key, cert: issueLeaf(authority, createPublicKey(key), spec, validity) });
  let connections = 0;
  https.on("secureConnection", () => connections++);
  const server: WebhookServer = {
    url: "",
    caBundle: Buffer.from(authority.certificate).toString("base64"),
    reviews: [],
    connections: () => connections,
    answer: () => ({ allowed: true }),
    async publish(client) {
      const metadata = { name: "hook", namespace: "default" };
      const ports = [{ name: "tls", port: 443, targetPort: 8443 }];
      await client.create(Services, { apiVersion: "v1", kind: "Service", metadata, spec: { ports } });
      await client.create(EndpointSlices, {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: { ...metadata, labels: { "kubernetes.io/service-name": "hook" } },
        addressType: "IPv4",
        endpoints: [{ addresses: [address], conditions: { ready: true } }],
        ports: [{ name: "tls", port: (https.address() as AddressInfo).port }],
      });
    },
    async stop() {
      https.closeAllConnections();
      await new Promise((resolve) => https.close(resolve));
    },
  };
  https.on("request", async (request, response) => {
    const review = { path: request.url ?? "", ...JSON.parse(await text(request)) };
    server.reviews.push(review);
    const { delay = 0, patch, ...rest } = server.answer(review);
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
    const patched = patch ? { patchType: "JSONPatch", patch: Buffer.from(JSON.stringify(patch)).toString("base64") } : {};
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ ...review, request: undefined, response: { uid: review.request.uid, ...rest, ...patched } }));
  });
  await new Promise<void>((resolve) => https.listen(0, resolve));
  server.url = `https://${address}:${(https.address() as AddressInfo).port}`;
  return server;
}
