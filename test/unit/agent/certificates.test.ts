import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ensureServingCertificate, keepCertificates } from "../../../src/agent/certificates.ts";
import type { NodeIdentity } from "../../../src/agent/identity.ts";
import type { CertificateSigningRequest } from "../../../src/api/types/certificates.v1.ts";
import { Client } from "../../../src/client/client.ts";
import { KubeletServer } from "../../../src/kubelet/server/kubelet-server.ts";
import type { ServerContext } from "../../../src/kubelet/server/server-context.ts";
import { FakeClock } from "../../../src/lib/clock.ts";
import { silentLogger } from "../../../src/lib/log.ts";
import type { Credentials } from "../../../src/pki/credentials.ts";
import { ensurePki, type Pki } from "../../../src/pki/pki.ts";
import { MemoryAPI } from "../client/memory-api.ts";

const day = 24 * 3_600_000;
let folder: string;
let clock: FakeClock;
let pki: Pki;
let client: Client;
let asked: number;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hue-agent-"));
  clock = new FakeClock(Math.floor(Date.now() / 1000) * 1000);
  pki = await ensurePki(join(folder, "pki"), { clock });
  asked = 0;
  const api = new MemoryAPI(clock);
  const create = api.create.bind(api);
  // The cluster's signer, at once.
  api.create = async (target, object) => {
    const csr = object as CertificateSigningRequest;
    const request = Buffer.from(csr.spec.request, "base64").toString();
    const usages = csr.spec.usages?.includes("server auth") ? (["server auth"] as const) : (["client auth"] as const);
    const certificate = await pki.signRequest("server", request, { usages: [...usages] });
    asked++;
    return create(target, { ...csr, status: { certificate: Buffer.from(certificate).toString("base64") } });
  };
  client = new Client(api);
});

afterEach(async () => {
  pki.stop();
  await rm(folder, { recursive: true });
});

test("an agent renews what it shows as client and as kubelet long before it ends, and not earlier", async () => {
  const serving = await ensureServingCertificate(client, folder, "n1", clock);
  const identity = { cluster: {}, serverAuthority: "", clientAuthority: "", credentials: serving } as unknown as NodeIdentity;
  const shown: Credentials[] = [];
  const stop = keepCertificates({
    ...{ client, folder, nodeName: "n1", identity, serving, clock, log: silentLogger },
    renewed: (now) => shown.push(now),
  });
  clock.advance(304.8 * day);
  expect(await ensureServingCertificate(client, folder, "n1", clock)).toEqual(serving);
  expect(asked).toBe(1);
  clock.advance(day / 2);
  await expect.poll(() => shown.length).toBeGreaterThan(0);
  await expect.poll(() => identity.credentials.certificate).not.toBe(serving.certificate);
  expect(shown.at(-1)?.certificate).not.toBe(serving.certificate);
  stop();
});

test("a kubelet shows its new certificate to those who connect from then on", async () => {
  const names = ["n1", "127.0.0.1"];
  const first = await pki.nodeServing("n1", names);
  const server = new KubeletServer({ ...first, clientCA: pki.authority("client"), port: 0, address: "127.0.0.1" }, {} as ServerContext);
  await server.start();
  const serial = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({ port: server.port, host: "127.0.0.1", ca: pki.authority("server") }, () => {
        resolve(socket.getPeerCertificate().serialNumber);
        socket.destroy();
      });
      socket.on("error", reject);
    });
  const before = await serial();
  const second = await pki.nodeServing("n1", [...names, "another"]);
  server.renew(second.key, second.certificate);
  expect(await serial()).not.toBe(before);
  await server.stop();
});
