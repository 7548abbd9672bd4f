import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { connect } from "node:tls";
import { decode, encode } from "dns-packet";
import { afterAll, beforeAll, describe, expect, test as plain } from "vitest";
import { issueAuthority, newKey } from "../../src/pki/issue.ts";
import { hueLearn, hueReminders, hueRemindersService } from "../support/book.ts";
import { temporaryFolder } from "../support/hue.ts";
import type { Kubectl } from "../support/kubectl.ts";
import { fetchText, nodeAddress } from "../support/machine.ts";
import { forever, httpServer, service, shellDeployment, shellPod } from "../support/manifests.ts";
import { newNamespace, removeNamespace, sharedCluster, test } from "../support/shared-cluster.ts";

const { serviceRange, port: apiPort } = sharedCluster();
const dns = `${serviceRange}.0.10`;
const escaped = (text: string): string => text.replaceAll(".", "\\.");
const reminders = "Dentist appointment at 3pm\nDinner at 7pm\n";
const field = (kind: string, name: string, path: string): string[] => ["get", kind, name, "-o", `jsonpath=${path}`];

describe("the book's reminders", () => {
  let kubectl: Kubectl;
  let clusterIP = "";
  beforeAll(async () => {
    kubectl = await newNamespace();
    await kubectl.apply(hueLearn("0.3"));
    await kubectl.apply(hueReminders(2));
    await kubectl("rollout", "status", "deployment/hue-learn", "--timeout=60s");
    await kubectl("rollout", "status", "deployment/hue-reminders", "--timeout=60s");
  });
  afterAll(() => removeNamespace(kubectl));

  plain("AT-08 a Service is described with its address, ports and the addresses of both pods", async () => {
    expect(await kubectl.create(hueRemindersService)).toBe("service/hue-reminders created\n");
    clusterIP = await kubectl(...field("service", "hue-reminders", "{.spec.clusterIP}"));
    expect(clusterIP).toMatch(new RegExp(`^${escaped(serviceRange)}\\.\\d+\\.\\d+$`));
    const podIPs = (await kubectl("get", "pods", "-l", "app=hue,service=reminders", "-o", "jsonpath={.items[*].status.podIP}")).split(" ");
    await kubectl.until(
      ["get", "endpoints", "hue-reminders", "-o", "jsonpath={.subsets[0].addresses[*].ip}"],
      (out) => out.split(" ").sort().join() === [...podIPs].sort().join(),
    );
    const described = await kubectl("describe", "svc", "hue-reminders");
    for (const part of [
      /^Selector:\s+app=hue,service=reminders$/m,
      /^Type:\s+ClusterIP$/m,
      /^IP Family Policy:\s+SingleStack$/m,
      /^IP Families:\s+IPv4$/m,
      new RegExp(`^IP:\\s+${clusterIP}$`, "m"),
      /^Port:\s+<unset>\s+8080\/TCP$/m,
      /^TargetPort:\s+8080\/TCP$/m,
      /^Session Affinity:\s+None$/m,
    ])
      expect(described).toMatch(part);
    const endpoints = /^Endpoints:\s+(.*)$/m.exec(described)?.[1]?.split(",").sort();
    expect(endpoints).toEqual(podIPs.map((ip) => `${ip}:8080`).sort());
  });

  plain("AT-09 its environment variables are in pods made after it, and not in those before", async () => {
    const learner = async (): Promise<string> =>
      (await kubectl("get", "pods", "-o", "name", "--field-selector=status.phase=Running"))
        .split("\n")
        .find((n) => n.startsWith("pod/hue-learn")) ?? "";
    const old = await learner();
    expect(await kubectl("exec", old, "--", "env")).not.toContain("HUE_REMINDERS_SERVICE");
    await kubectl(
      "delete",
      "pod",
      ...(await kubectl("get", "pods", "-o", "jsonpath={.items[*].metadata.name}")).split(" ").filter((n) => n.startsWith("hue-learn")),
    );
    await kubectl("rollout", "status", "deployment/hue-learn", "--timeout=60s");
    const variables = (await kubectl("exec", await learner(), "--", "env")).split("\n");
    expect(variables).toContain(`HUE_REMINDERS_SERVICE_HOST=${clusterIP}`);
    expect(variables).toContain("HUE_REMINDERS_SERVICE_PORT=8080");
    expect(variables).toContain(`HUE_REMINDERS_PORT_8080_TCP=tcp://${clusterIP}:8080`);
    expect(variables).toContain("DISCOVER_QUEUE=dns");
  });

  plain("AT-10 AT-11 every pod finds it by name at the cluster's DNS, and reads both lines", async () => {
    const pod =
      (await kubectl("get", "pods", "-o", "name", "--field-selector=status.phase=Running"))
        .split("\n")
        .find((n) => n.startsWith("pod/hue-learn")) ?? "";
    const looked = await kubectl("exec", pod, "--", "nslookup", `hue-reminders.${kubectl.namespace}.svc.cluster.local`);
    expect(looked).toMatch(new RegExp(`^Server:\\s+${escaped(dns)}$`, "m"));
    expect(looked).toMatch(new RegExp(`Address.*\\s${escaped(clusterIP)}$`, "m"));
    for (const host of ["hue-reminders", `hue-reminders.${kubectl.namespace}`, `hue-reminders.${kubectl.namespace}.svc.cluster.local`])
      expect(await kubectl("exec", pod, "--", "timeout", "5", "wget", "-q", "-O", "-", `http://${host}:8080`)).toBe(reminders);
    // Nobody has the address: it stands for its ports only.
    const pinged = await kubectl.run(["exec", pod, "--", "ping", "-c", "1", "-W", "1", "hue-reminders"]);
    expect(pinged.stdout).toContain(`PING hue-reminders (${clusterIP})`);
    expect(pinged.stdout).toContain("100% packet loss");
  });

  plain("AT-12 a NodePort answers on the nodes' address; the same port twice, and one out of range, are refused", async () => {
    const nodePort = (name: string, ports: object[]): object =>
      service(name, 0, 0, { type: "NodePort", ports, selector: { app: "hue", service: "reminders" } });
    await kubectl.apply(
      nodePort("public", [
        { name: "http", port: 8080, targetPort: 8080 },
        { name: "https", port: 443 },
      ]),
    );
    const [http = "", https = ""] = (await kubectl(...field("service", "public", "{.spec.ports[*].nodePort}"))).split(" ");
    expect(https).not.toBe(http);
    expect(await kubectl(...field("service", "public", "{.spec.ports[1].targetPort}"))).toBe("443");
    for (const address of [nodeAddress, "127.0.0.1"])
      await expect.poll(() => fetchText(`http://${address}:${http}/`), { timeout: 20_000 }).toEqual({ status: 200, text: reminders });
    const twice = await kubectl.run(["apply", "-f", "-"], JSON.stringify(nodePort("again", [{ port: 80, nodePort: Number(http) }])));
    expect(twice.stderr).toContain(`spec.ports[0].nodePort: Invalid value: ${http}: provided port is already allocated`);
    const outside = await kubectl.run(["apply", "-f", "-"], JSON.stringify(nodePort("outside", [{ port: 80, nodePort: 80 }])));
    expect(outside.stderr).toContain(
      "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767",
    );
  });
});

test("AT-13 an Ingress serves by path and host, ends TLS with its Secret, and gets the default class", async ({ kubectl }) => {
  const { ingressHttpPort, ingressHttpsPort } = sharedCluster();
  const host = `${kubectl.namespace}.hue.example`;
  const rule = (name: string, paths: [string, string][]): object => ({
    host: name,
    http: {
      paths: paths.map(([path, backend]) => ({ path, pathType: "Prefix", backend: { service: { name: backend, port: { number: 80 } } } })),
    },
  });
  const folder = temporaryFolder();
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  writeFileSync(key, newKey());
  writeFileSync(
    cert,
    issueAuthority(host, readFileSync(key, "utf8"), { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 }),
  );
  await kubectl("create", "secret", "tls", "front", `--cert=${cert}`, `--key=${key}`);
  await kubectl.apply([
    ...["one", "two"].flatMap((name) => [
      shellDeployment(name, 1, `mkdir -p /www/${name}; echo ${name} > /www/${name}/index.html; ${httpServer(8000, name)}`),
      service(name, 80, 8000),
    ]),
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "Ingress",
      metadata: { name: "front" },
      spec: {
        tls: [{ hosts: [host], secretName: "front" }],
        rules: [
          rule(host, [
            ["/", "one"],
            ["/two", "two"],
          ]),
          rule(`other.${host}`, [["/", "two"]]),
        ],
      },
    },
  ]);
  const ingressClass = await kubectl(...field("ingress", "front", "{.spec.ingressClassName}"));
  expect(
    await kubectl(
      "get",
      "ingressclass",
      ingressClass,
      "-o",
      "jsonpath={.metadata.annotations.ingressclass\\.kubernetes\\.io/is-default-class}",
    ),
  ).toBe("true");
  const at = (path: string, name: string) => fetchText(`http://127.0.0.1:${ingressHttpPort}${path}`, { host: name });
  await expect.poll(() => at("/", host), { timeout: 30_000 }).toEqual({ status: 200, text: "one\n" });
  await expect.poll(() => at("/two/", host), { timeout: 30_000 }).toEqual({ status: 200, text: "two\n" });
  await expect.poll(() => at("/", `other.${host}`), { timeout: 30_000 }).toEqual({ status: 200, text: "two\n" });
  expect((await at("/", `unknown.${host}`)).status).toBe(404);
  rmSync(folder, { recursive: true });
  const secure = connect({ host: "127.0.0.1", port: ingressHttpsPort, servername: host, rejectUnauthorized: false });
  await once(secure, "secureConnect");
  const shown = secure.getPeerCertificate().subject.CN;
  secure.destroy();
  expect(shown).toBe(host);
});

test("AT-31 S4-1B a Service spreads calls over its ready pods, and reaches one on every node from every node", async ({ kubectl }) => {
  const { nodes } = sharedCluster();
  const on = (node: string): object => shellPod(`web-${node}`, httpServer(80, node), { labels: { app: "web" }, spec: { nodeName: node } });
  const from = (node: string): object => shellPod(`from-${node}`, forever, { spec: { nodeName: node } });
  await kubectl.apply([service("web", 8080, 80), ...nodes.map(on), ...nodes.map(from)]);
  await kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s");
  for (const node of nodes) {
    const many = ["exec", `from-${node}`, "--", "sh", "-c", "for i in $(seq 40); do timeout 2 wget -q -O - http://web:8080; done"];
    await kubectl.until(many, (out) => new Set(out.trim().split("\n")).size === nodes.length, 20);
    for (const other of nodes) {
      const ip = await kubectl(...field("pod", `web-${other}`, "{.status.podIP}"));
      expect(await kubectl("exec", `from-${node}`, "--", "timeout", "5", "wget", "-q", "-O", "-", `http://${ip}`)).toBe(`${other}\n`);
    }
  }
});

test("a pod is seen by others, also on other nodes, under its own address", async ({ kubectl }) => {
  const { nodes } = sharedCluster();
  await kubectl.apply([
    shellPod("server", "exec nc -ll -p 80 -e sleep 60", { spec: { nodeName: nodes[0] } }),
    ...nodes.map((node) => shellPod(`from-${node}`, forever, { spec: { nodeName: node } })),
  ]);
  await kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s");
  const address = (name: string): Promise<string> => kubectl(...field("pod", name, "{.status.podIP}"));
  const server = await address("server");
  for (const node of nodes) {
    await kubectl("exec", `from-${node}`, "--", "sh", "-c", `sleep 60 | nc ${server} 80 > /dev/null 2>&1 &`);
    const seen = new RegExp(`${escaped(server)}:80\\s+(?:::ffff:)?${escaped(await address(`from-${node}`))}:\\d+\\s+ESTABLISHED`);
    await kubectl.until(["exec", "server", "--", "netstat", "-tn"], (out) => seen.test(out), 20);
  }
});

test("no call fails while a Deployment's pods are replaced, when they go on serving for a moment after their end is announced", async ({
  kubectl,
}) => {
  const container = {
    readinessProbe: { httpGet: { port: 80 }, periodSeconds: 1 },
    lifecycle: { preStop: { sleep: { seconds: 3 } } },
  };
  const strategy = { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } };
  const loop = "while [ ! -e /stop ]; do timeout 5 wget -q -O - http://web:8080 >> /answers || echo failed >> /answers; done; sleep 86400";
  await kubectl.apply([
    shellDeployment("web", 2, httpServer(80, "fine"), { container, strategy, spec: { terminationGracePeriodSeconds: 10 } }),
    service("web", 8080, 80),
  ]);
  await kubectl("rollout", "status", "deployment/web", "--timeout=60s");
  await kubectl.apply(shellPod("caller", loop));
  await kubectl.until(["exec", "caller", "--", "cat", "/answers"], (out) => out.startsWith("fine\n"), 30);
  const pods = ["get", "pods", "-l", "app=web", "-o", "name"];
  const before = (await kubectl(...pods)).trim().split("\n");
  await kubectl("rollout", "restart", "deployment/web");
  await kubectl("rollout", "status", "deployment/web", "--timeout=60s");
  await kubectl.until(pods, (out) => before.every((pod) => !out.includes(pod)), 60);
  await kubectl("exec", "caller", "--", "touch", "/stop");
  const answers = (await kubectl("exec", "caller", "--", "cat", "/answers")).trim().split("\n");
  expect(answers.length).toBeGreaterThan(20);
  expect(new Set(answers)).toEqual(new Set(["fine"]));
});

test("S4-1B a Service carries UDP as well, to an endpoint given by hand", async ({ kubectl }) => {
  const names = createSocket("udp4", (query, from) => {
    const { id, questions } = decode(query);
    names.send(
      encode({ id, type: "response", questions, answers: [{ type: "A", name: "hello.example", ttl: 5, data: "198.51.100.7" }] }),
      from.port,
      from.address,
    );
  });
  names.bind(0, nodeAddress);
  await once(names, "listening");
  try {
    const ports = [{ port: 53, protocol: "UDP" }];
    await kubectl.apply([
      { apiVersion: "v1", kind: "Service", metadata: { name: "names" }, spec: { ports } },
      {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: { name: "names-1", labels: { "kubernetes.io/service-name": "names" } },
        addressType: "IPv4",
        ports: [{ name: "", port: names.address().port, protocol: "UDP" }],
        endpoints: [{ addresses: [nodeAddress] }],
      },
      shellPod("caller", forever),
    ]);
    await kubectl("wait", "--for=condition=Ready", "pod/caller", "--timeout=60s");
    const address = await kubectl(...field("service", "names", "{.spec.clusterIP}"));
    const ask = ["exec", "caller", "--", "sh", "-c", `nslookup -type=a hello.example ${address} || true`];
    await kubectl.until(ask, (out) => out.includes("198.51.100.7"), 20);
  } finally {
    names.close();
  }
});

test("S4-1B a Service may have ports of all three protocols under one number", async ({ kubectl }) => {
  const ports = ["TCP", "UDP", "SCTP"].map((protocol) => ({ name: protocol.toLowerCase(), port: 7000, protocol }));
  await kubectl.apply({ apiVersion: "v1", kind: "Service", metadata: { name: "all" }, spec: { ports } });
  expect((await kubectl("get", "service", "all", "--no-headers")).trim()).toMatch(/7000\/TCP,7000\/UDP,7000\/SCTP/);
});

test("S4-1B a Service without endpoints refuses at once", async ({ kubectl }) => {
  await kubectl.apply([service("nobody", 80, 80), shellPod("caller", forever)]);
  await kubectl("wait", "--for=condition=Ready", "pod/caller", "--timeout=60s");
  const refused = await kubectl.run(["exec", "caller", "--", "timeout", "20", "wget", "-q", "-O", "-", "http://nobody"]);
  expect(refused.stderr).toMatch(/refused/);
});

test("S4-1F a LoadBalancer Service gets an address at which it answers", async ({ kubectl }) => {
  await kubectl.apply([shellPod("example", httpServer(9376, "balanced")), service("example", 8765, 9376, { type: "LoadBalancer" })]);
  await kubectl("wait", "--for=condition=Ready", "pod/example", "--timeout=60s");
  const address = await kubectl.until(field("service", "example", "{.status.loadBalancer.ingress[0].ip}"), (out) => out !== "", 30);
  await expect.poll(() => fetchText(`http://${address}:8765/`), { timeout: 20_000 }).toEqual({ status: 200, text: "balanced\n" });
});

test("pods reach what is outside of the cluster, and the API by its own Service", async ({ kubectl }) => {
  const outside = createServer((_, reply) => reply.end("from outside")).listen(0, nodeAddress);
  await once(outside, "listening");
  try {
    const address = outside.address();
    const port = typeof address === "object" && address ? address.port : 0;
    await kubectl.apply(shellPod("caller", forever));
    await kubectl("wait", "--for=condition=Ready", "pod/caller", "--timeout=60s");
    expect(await kubectl("exec", "caller", "--", "timeout", "5", "wget", "-q", "-O", "-", `http://${nodeAddress}:${port}`)).toBe(
      "from outside",
    );
    const environment = await kubectl("exec", "caller", "--", "env");
    expect(environment).toMatch(new RegExp(`^KUBERNETES_SERVICE_HOST=${escaped(serviceRange)}\\.0\\.1$`, "m"));
    const account = "/var/run/secrets/kubernetes.io/serviceaccount";
    // The API speaks TLS only: whoever speaks plainly is hung up on, but has reached it.
    const call = "echo hello | timeout 10 nc kubernetes.default.svc 443 > /dev/null && echo reached";
    expect(await kubectl("exec", "caller", "--", "sh", "-c", call)).toBe("reached\n");
    const token = await kubectl("exec", "caller", "--", "cat", `${account}/token`);
    const who = await kubectl(
      "auth",
      "whoami",
      "--kubeconfig=/dev/null",
      `--server=https://127.0.0.1:${apiPort}`,
      "--insecure-skip-tls-verify",
      `--token=${token}`,
      "-o",
      "jsonpath={.status.userInfo.username}",
    );
    expect(who).toBe(`system:serviceaccount:${kubectl.namespace}:default`);
    const files = `cat ${account}/namespace; grep -c BEGIN ${account}/ca.crt`;
    expect(await kubectl("exec", "caller", "--", "sh", "-c", files)).toBe(`${kubectl.namespace}1\n`);
  } finally {
    outside.close();
  }
});

test("a host port is given once a node: the pod that finds none free waits", async ({ kubectl }) => {
  const { nodes } = sharedCluster();
  const pod = (name: string): object =>
    shellPod(name, httpServer(80, name), { container: { ports: [{ containerPort: 80, hostPort: 28_123 }] } });
  await kubectl.apply(["a", "b", "c", "d"].map(pod));
  const pending = ["get", "pods", "--field-selector=status.phase=Pending", "-o", "jsonpath={.items[*].metadata.name}"];
  await kubectl.until(["get", "events", "--field-selector=reason=FailedScheduling"], (out) =>
    out.includes(`0/${nodes.length} nodes are available: ${nodes.length} node(s) didn't have free ports for the requested pod ports.`),
  );
  const left = await kubectl.until(pending, (out) => out.split(" ").length === 1 && out !== "", 30);
  expect(left).toMatch(/^[abcd]$/);
  await expect.poll(() => fetchText(`http://${nodeAddress}:28123/`).then((r) => r.status), { timeout: 20_000 }).toBe(200);
});
