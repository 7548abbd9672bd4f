import { createPublicKey } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { createServer, request as httpsRequest, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { machineAddress } from "../../../../src/agent/machine-address.ts";
import { APIServices, EndpointSlices, Services } from "../../../../src/api/types/resources.ts";
import { type Credentials, issueAuthority, issueLeaf, newKey } from "../../../../src/pki/issue.ts";
import { type RunningServer, startServer } from "../running-server.ts";
import { eventually } from "../../../support/eventually.ts";

const groupVersion = "/apis/wardle.example.com/v1";
const openapi = `/openapi/v3${groupVersion}?hash=ABC`;
const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 };

let api: RunningServer;
let extension: Server;
let authority: Credentials;
let asked: { url: string; headers: IncomingHttpHeaders; shown: string }[] = [];
let broken = false;

/** An extension server with one resource, for which flunders are strings. */
async function startExtension(address: string): Promise<Server> {
  const key = newKey();
  const spec = { commonName: "wardle", names: ["wardle.default.svc", address], usages: ["server auth"] as const };
  const cert = issueLeaf(authority, createPublicKey(key), spec, validity);
  const server = createServer({ key, cert, ca: authority.certificate, requestCert: true, rejectUnauthorized: false });
  server.on("request", (request, response) => {
    const { socket, headers, url = "" } = request;
    const shown = socket instanceof TLSSocket && socket.authorized ? String(socket.getPeerCertificate().subject?.CN) : "";
    asked.push({ url, headers, shown });
    response.setHeader("Content-Type", "application/json");
    if (broken) return response.writeHead(500).end("broken");
    if (url === groupVersion) return response.end(JSON.stringify(resources));
    if (url === "/openapi/v3") return response.end(JSON.stringify({ paths: { [groupVersion.slice(1)]: { serverRelativeURL: openapi } } }));
    if (url === openapi) return response.end('{"openapi":"3.0.0"}');
    request.pipe(response.writeHead(url.includes("/teapot") ? 418 : 200));
  });
  server.on("upgrade", (_, socket) =>
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello"),
  );
  await new Promise<void>((resolve) => server.listen(0, resolve));
  return server;
}

const resources = {
  kind: "APIResourceList",
  groupVersion: "wardle.example.com/v1",
  resources: [
    { name: "flunders", singularName: "flunder", namespaced: true, kind: "Flunder", verbs: ["get", "list"], shortNames: ["fl"] },
    { name: "flunders/status", namespaced: true, kind: "Flunder", verbs: ["get"] },
  ],
};

beforeAll(async () => {
  const key = newKey();
  authority = { key, certificate: issueAuthority("front", key, validity) };
  const clientKey = newKey();
  const spec = { commonName: "front-proxy-client", usages: ["client auth"] as const };
  const certificate = issueLeaf(authority, createPublicKey(clientKey), spec, validity);
  api = await startServer({ proxyClient: () => ({ certificate, key: clientKey }) });
  const address = await machineAddress();
  extension = await startExtension(address);
  const metadata = { name: "wardle", namespace: "default" };
  await api.client.create(APIServices, {
    apiVersion: "apiregistration.k8s.io/v1",
    kind: "APIService",
    metadata: { name: "v1.wardle.example.com" },
    spec: {
      group: "wardle.example.com",
      version: "v1",
      service: metadata,
      caBundle: Buffer.from(authority.certificate).toString("base64"),
      groupPriorityMinimum: 2000,
      versionPriority: 200,
    },
  });
  await becomes("ServiceNotFound", 'service/wardle in "default" is not present');
  await api.client.create(Services, { apiVersion: "v1", kind: "Service", metadata, spec: { ports: [{ port: 443, name: "https" }] } });
  await becomes("MissingEndpoints", 'endpoints for service/wardle in "default" have no addresses with port name "https"');
  await api.client.create(EndpointSlices, {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { ...metadata, labels: { "kubernetes.io/service-name": "wardle" } },
    addressType: "IPv4",
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: [{ name: "https", port: (extension.address() as AddressInfo).port }],
  });
  await becomes("Passed", "all checks passed");
});

afterAll(async () => {
  await api.stop();
  extension.closeAllConnections();
  await new Promise((resolve) => extension.close(resolve));
});

async function becomes(reason: string, message: string): Promise<void> {
  await eventually(async () => {
    const { status } = await api.client.get(APIServices, { name: "v1.wardle.example.com" });
    expect(status.conditions).toMatchObject([{ type: "Available", reason, message }]);
  });
}

describe("an extension server", () => {
  test("gets the request as it is, the user's identity, and the front proxy's certificate", async () => {
    asked = [];
    const path = `${groupVersion}/namespaces/default/flunders/a?x=1`;
    const answer = await api.request("PUT", path, { kind: "Flunder" }, { "X-Remote-User": "root", "X-Custom": "yes" });
    expect(answer).toMatchObject({ code: 200, body: { kind: "Flunder" } });
    expect(asked).toMatchObject([
      {
        url: path,
        shown: "front-proxy-client",
        headers: { "x-remote-user": "admin", "x-remote-group": "system:masters, system:authenticated", "x-custom": "yes" },
      },
    ]);
    expect(asked[0]?.headers).not.toHaveProperty("authorization");
  });

  test("gives its own answers", async () => {
    expect(await api.request("GET", `${groupVersion}/teapot`)).toMatchObject({ code: 418 });
  });

  test("is asked only for what the user may", async () => {
    const answer = await api.request("GET", `${groupVersion}/flunders`, undefined, { authorization: "Bearer alice" });
    expect(answer).toMatchObject({ code: 403, body: { message: expect.stringContaining('cannot list resource "flunders"') } });
  });

  test("can take the connection over", async () => {
    const headers = { Authorization: "Bearer admin", Connection: "Upgrade", Upgrade: "echo" };
    const request = httpsRequest(`${api.url}${groupVersion}/flunders/a/exec`, { headers, rejectUnauthorized: false });
    const first = await new Promise<string>((resolve, reject) => {
      request.once("error", reject);
      request.once("upgrade", (_, socket, head) => {
        const done = (data: Buffer): void => {
          socket.destroy();
          resolve(data.toString());
        };
        if (head.length > 0) done(head);
        else socket.once("data", done);
      });
      request.end();
    });
    expect(first).toBe("hello");
  });

  test("is in discovery", async () => {
    const { body } = await api.request("GET", "/apis");
    expect(body.groups).toContainEqual(expect.objectContaining({ name: "wardle.example.com" }));
    const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    const aggregated = await api.request("GET", "/apis", undefined, { accept });
    const group = aggregated.body.items.find(({ metadata }: { metadata: { name: string } }) => metadata.name === "wardle.example.com");
    expect(group.versions).toMatchObject([
      {
        version: "v1",
        freshness: "Current",
        resources: [{ resource: "flunders", shortNames: ["fl"], subresources: [{ subresource: "status" }] }],
      },
    ]);
  });

  test("tells its OpenAPI document", async () => {
    const index = await api.request("GET", "/openapi/v3");
    expect(index.body.paths[groupVersion.slice(1)]).toEqual({ serverRelativeURL: openapi });
    expect((await api.request("GET", openapi)).body).toEqual({ openapi: "3.0.0" });
  });

  test("that fails is told of, and its group stays", async () => {
    broken = true;
    const service = await api.client.get(Services, { namespace: "default", name: "wardle" });
    await api.client.update(Services, { ...service, metadata: { ...service.metadata, labels: { touched: "yes" } } });
    await eventually(async () => {
      const { status } = await api.client.get(APIServices, { name: "v1.wardle.example.com" });
      expect(status.conditions).toMatchObject([
        { status: "False", reason: "FailedDiscoveryCheck", message: expect.stringContaining(": 500") },
      ]);
    });
    expect((await api.request("GET", "/apis")).text).toContain("wardle.example.com");
    broken = false;
    await becomes("Passed", "all checks passed");
  });

  test("whose APIService is deleted is gone", async () => {
    await api.client.delete(APIServices, { name: "v1.wardle.example.com" });
    await eventually(async () => expect(await api.request("GET", groupVersion)).toMatchObject({ code: 404 }));
    expect((await api.request("GET", "/apis")).text).not.toContain("wardle.example.com");
  });
});

test("this server's own group versions have local APIServices", async () => {
  await eventually(async () => {
    const { items } = await api.client.list(APIServices, { labelSelector: "kube-aggregator.kubernetes.io/automanaged=onstart" });
    expect(items.map(({ metadata }) => metadata.name)).toEqual(expect.arrayContaining(["v1.", "v1.apps", "v2.autoscaling"]));
    for (const { status } of items)
      expect(status.conditions).toMatchObject([{ type: "Available", status: "True", message: "Local APIServices are always available" }]);
  });
});

test("custom resources have them while they are served", async () => {
  const names = { plural: "widgets", kind: "Widget" };
  const version = { name: "v1alpha1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } };
  const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  const spec = { group: "example.org", scope: "Cluster", names, versions: [version] };
  await api.request("POST", definitions, { metadata: { name: "widgets.example.org" }, spec });
  const service = () => api.request("GET", "/apis/apiregistration.k8s.io/v1/apiservices/v1alpha1.example.org");
  await eventually(async () => expect(await service()).toMatchObject({ code: 200, body: { spec: { groupPriorityMinimum: 1000 } } }));
  await api.request("DELETE", `${definitions}/widgets.example.org`);
  await eventually(async () => expect(await service()).toMatchObject({ code: 404 }));
});
