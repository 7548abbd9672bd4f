import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Namespaces, Nodes, Pods, ServiceAccounts, Services } from "../../../../src/api/types/resources.ts";
import { storeObjects } from "../../../../src/apiserver/store-objects.ts";
import { type ConnectAdmission, createStreaming } from "../../../../src/apiserver/streaming/index.ts";
import type { Client } from "../../../../src/client/client.ts";
import { systemClock } from "../../../../src/lib/clock.ts";
import { openStore } from "../../../../src/store/open.ts";
import type { Store } from "../../../../src/store/store.ts";
import { type RunningServer, startServer } from "../running-server.ts";
import { type FakeKubelet, startFakeKubelet } from "./fake-kubelet.ts";

/** An API server whose pods "one" (container a) and "two" (a, b, gone, waiting) run on a fake kubelet, and a web server within them. */
export interface StreamingServer {
  api: RunningServer;
  kubelet: FakeKubelet;
  /** The port of the web server, which "one" also has as its container port "http". */
  webPort: number;
  stop(): Promise<void>;
}

/** Starts all of it. */
export async function startStreamingServer(admission: Partial<ConnectAdmission> = {}): Promise<StreamingServer> {
  const store = await openStore({ path: "memory" });
  let kubelet: FakeKubelet | undefined;
  const streaming = createStreaming({
    ...admission,
    objects: storeObjects(store),
    clock: systemClock,
    kubeletCredentials: () => {
      if (!kubelet) throw new Error("the kubelet has not started");
      return kubelet.credentials;
    },
  });
  const api = await startServer({ store, connect: streaming.connect });
  const fake = (kubelet = await startFakeKubelet(api.authority));
  const web = await startWeb();
  const webPort = (web.address() as AddressInfo).port;
  await fill(api.client, fake.port, webPort);
  await addEndpoint(store, webPort);
  return {
    api,
    kubelet: fake,
    webPort,
    async stop() {
      streaming.close();
      await api.stop();
      await fake.stop();
      web.closeAllConnections();
      await new Promise((resolve) => web.close(resolve));
      await store.close();
    },
  };
}

async function startWeb(): Promise<Server> {
  const web = createServer((request: IncomingMessage, response: ServerResponse) => {
    if (request.url === "/redirect") return response.writeHead(302, { Location: "/there" }).end();
    if (request.url === "/page") {
      response.writeHead(200, { "Content-Type": "text/html" });
      return response.end(
        '<html><a class="x" href="/rewriteme">a</a><img src=/i.png><a href="relative">b</a><a href="//other/x">c</a></html>',
      );
    }
    response.setHeader("X-Seen", JSON.stringify({ method: request.method, url: request.url, headers: request.headers }));
    request.pipe(response);
  });
  web.on("upgrade", (_request, socket, head) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    socket.write(head);
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  return web;
}

async function fill(client: Client, kubeletPort: number, webPort: number): Promise<void> {
  await client.create(Namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" }, spec: {} });
  await client.create(ServiceAccounts, { apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace: "default", name: "default" } });
  // "imposter" is at the address of n1's kubelet, which does not have its name.
  for (const name of ["n1", "imposter"]) {
    const node = await client.create(Nodes, { apiVersion: "v1", kind: "Node", metadata: { name }, spec: {} });
    const addresses = [{ type: "InternalIP" as const, address: "127.0.0.1" }];
    await client.updateStatus(Nodes, {
      ...structuredClone(node),
      status: { addresses, daemonEndpoints: { kubeletEndpoint: { Port: kubeletPort } } },
    });
  }
  const pod = async (name: string, containers: string[], nodeName?: string): Promise<void> => {
    const ports = [{ name: "http", containerPort: webPort }];
    const spec = { ...(nodeName ? { nodeName } : {}), containers: containers.map((one) => ({ name: one, image: "x", ports })) };
    const made = await client.create(Pods, { apiVersion: "v1", kind: "Pod", metadata: { namespace: "default", name }, spec });
    const status = { phase: "Running" as const, podIP: "127.0.0.1", podIPs: [{ ip: "127.0.0.1" }] };
    if (nodeName) await client.updateStatus(Pods, { ...structuredClone(made), status: { ...structuredClone(made.status), ...status } });
  };
  await pod("one", ["a"], "n1");
  await pod("two", ["a", "b", "gone", "waiting"], "n1");
  await pod("pending", ["a"]);
  await pod("betrayed", ["a"], "imposter");
  const spec = { ports: [{ name: "web", port: 80, protocol: "TCP" as const }] };
  const metadata = { namespace: "default", name: "web" };
  await client.create(Services, { apiVersion: "v1", kind: "Service", metadata, spec });
}

/** Straight into the store: the API takes no loopback address, and nothing else is sure to be there. */
async function addEndpoint(store: Store, webPort: number): Promise<void> {
  const slice = {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { namespace: "default", name: "web", labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    endpoints: [{ addresses: ["127.0.0.1"], conditions: { ready: true } }],
    ports: [{ name: "web", port: webPort, protocol: "TCP" }],
  };
  await store.write({ key: { resource: "discovery.k8s.io/endpointslices", namespace: "default", name: "web" }, expect: 0, object: slice });
}
