import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createConnection } from "node:net";
import { type DecodedPacket, decode, encode, type Packet, streamDecode, streamEncode } from "dns-packet";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Service } from "../../../src/api/types/core.v1.ts";
import type { EndpointSlice } from "../../../src/api/types/discovery.v1.ts";
import { silentLogger } from "../../../src/lib/log.ts";
import { type DnsSource, resolve } from "../../../src/network/dns/records.ts";
import { DnsServer } from "../../../src/network/dns/server.ts";
import { machineResolvers } from "../../../src/network/dns/upstream.ts";
import { service, slice } from "./objects.ts";

const domain = "cluster.local";
const services: Service[] = [
  service("web", { clusterIP: "10.43.1.1", clusterIPs: ["10.43.1.1"], ports: [{ name: "http", port: 80, protocol: "TCP" }] }),
  service("db", { clusterIP: "None", ports: [{ name: "sql", port: 5432, protocol: "TCP" }] }),
  service("far", { type: "ExternalName", externalName: "web.default.svc.cluster.local" }),
];
const slices: EndpointSlice[] = [
  slice(
    "db",
    [
      { addresses: ["10.42.0.7"], hostname: "db-0", conditions: { ready: true } },
      { addresses: ["10.42.0.8"], conditions: { ready: true } },
      { addresses: ["10.42.0.9"], conditions: { ready: false } },
    ],
    [{ name: "sql", port: 5432, protocol: "TCP" }],
  ),
];
const source: DnsSource = {
  service: (namespace, name) => services.find((s) => s.metadata.name === name && namespace === "default"),
  namespaceExists: (name) => name === "default",
  slices: (_, name) => slices.filter((s) => s.metadata.labels?.["kubernetes.io/service-name"] === name),
  byClusterIP: (ip) => services.find((s) => s.spec.clusterIP === ip),
  byEndpointIP: (ip) => (ip === "10.42.0.7" && services[1] ? [{ service: services[1], host: "db-0" }] : []),
};

function ask(name: string, type = "A"): string[] | "NXDOMAIN" | "upstream" {
  const answer = resolve(source, domain, { name, type });
  if (!answer) return "upstream";
  if (!answer.exists) return "NXDOMAIN";
  return answer.answers.map((r) => (r.type === "SRV" ? `${r.data.target}:${r.data.port}` : r.data));
}

describe("names of the cluster", () => {
  it.each([
    ["web.default.svc.cluster.local", "A", ["10.43.1.1"]],
    ["WEB.default.svc.cluster.local", "A", ["10.43.1.1"]],
    ["web.default.svc.cluster.local", "AAAA", []],
    ["db.default.svc.cluster.local", "A", ["10.42.0.7", "10.42.0.8"]],
    ["db-0.db.default.svc.cluster.local", "A", ["10.42.0.7"]],
    ["10-42-0-8.db.default.svc.cluster.local", "A", ["10.42.0.8"]],
    ["_http._tcp.web.default.svc.cluster.local", "SRV", ["web.default.svc.cluster.local:80"]],
    [
      "_sql._tcp.db.default.svc.cluster.local",
      "SRV",
      ["db-0.db.default.svc.cluster.local:5432", "10-42-0-8.db.default.svc.cluster.local:5432"],
    ],
    ["far.default.svc.cluster.local", "A", ["web.default.svc.cluster.local"]],
    ["10-42-0-7.default.pod.cluster.local", "A", ["10.42.0.7"]],
    ["1.1.43.10.in-addr.arpa", "PTR", ["web.default.svc.cluster.local"]],
    ["7.0.42.10.in-addr.arpa", "PTR", ["db-0.db.default.svc.cluster.local"]],
    ["dns-version.cluster.local", "TXT", ["1.1.0"]],
    ["nobody.default.svc.cluster.local", "A", "NXDOMAIN"],
    ["web.other.svc.cluster.local", "A", "NXDOMAIN"],
    ["_grpc._tcp.web.default.svc.cluster.local", "SRV", "NXDOMAIN"],
    ["example.com", "A", "upstream"],
    ["1.1.1.1.in-addr.arpa", "PTR", "upstream"],
  ])("%s %s", (name, type, expected) => {
    expect(ask(name, type)).toEqual(expected);
  });
});

describe("the server", () => {
  const many = service("many", { clusterIP: "None", ports: [{ name: "http", port: 80 }] });
  const addresses = Array.from({ length: 60 }, (_, i) => ({ addresses: [`10.42.3.${i + 1}`], conditions: { ready: true } }));
  services.push(many);
  slices.push(slice("many", addresses, [{ name: "http", port: 80 }]));
  const server = new DnsServer({ source, domain, upstream: [], log: silentLogger });
  let port = 0;

  beforeAll(async () => {
    port = await server.listen("127.0.0.1", 0);
  });
  afterAll(() => server.close());

  const query = (name: string, more: Partial<Packet> = {}): Packet => ({
    type: "query",
    id: 7,
    flags: 256,
    questions: [{ type: "A", name }],
    ...more,
  });

  async function udp(packet: Packet): Promise<DecodedPacket & { rcode?: string }> {
    const socket = createSocket("udp4");
    socket.send(encode(packet), port, "127.0.0.1");
    const [reply] = await once(socket, "message");
    socket.close();
    return decode(reply);
  }

  it("answers over UDP, authoritatively", async () => {
    const reply = await udp(query("web.default.svc.cluster.local"));
    expect(reply.answers).toMatchObject([{ type: "A", data: "10.43.1.1" }]);
    expect(reply.flag_aa).toBe(true);
  });

  it("says that a name is not there, with the zone's authority", async () => {
    const reply = await udp(query("nobody.default.svc.cluster.local"));
    expect(reply.rcode).toBe("NXDOMAIN");
    expect(reply.authorities).toMatchObject([{ type: "SOA", name: "cluster.local" }]);
  });

  it("follows an alias inside the cluster", async () => {
    const reply = await udp(query("far.default.svc.cluster.local"));
    expect(reply.answers?.map((a) => a.type)).toEqual(["CNAME", "A"]);
  });

  it("tells a UDP client to come by TCP when the answer is too long, and answers there", async () => {
    const short = await udp(query("many.default.svc.cluster.local"));
    expect(short.flag_tc).toBe(true);
    const socket = createConnection(port, "127.0.0.1");
    socket.write(streamEncode(query("many.default.svc.cluster.local")));
    let received = Buffer.alloc(0);
    while (received.length < 2 || received.length < 2 + received.readUInt16BE(0))
      received = Buffer.concat([received, (await once(socket, "data"))[0]]);
    socket.destroy();
    expect(streamDecode(received)?.answers).toHaveLength(60);
  });

  it("fails a foreign name when no resolver answers", async () => {
    expect((await udp(query("example.com"))).rcode).toBe("SERVFAIL");
  });

  it("overlooks garbage", async () => {
    const socket = createSocket("udp4");
    socket.send(Buffer.from("garbage"), port, "127.0.0.1");
    socket.close();
    expect((await udp(query("web.default.svc.cluster.local"))).answers).toHaveLength(1);
  });
});

it("never asks itself as an upstream resolver", () => {
  expect(machineResolvers("10.43.0.10", "/nonexistent")).toEqual([]);
});
