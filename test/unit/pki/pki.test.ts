import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer } from "node:tls";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeClock } from "../../../src/lib/clock.ts";
import { parseCertificate, parseCertificatePem } from "../../../src/pki/certificate.ts";
import { createRequest, parseRequest } from "../../../src/pki/credentials.ts";
import { issueAuthority } from "../../../src/pki/issue.ts";
import { ensurePki, type Pki, type PkiOptions } from "../../../src/pki/pki.ts";

const day = 24 * 60 * 60_000;
let folder: string;
let clock: FakeClock;
const running: Pki[] = [];

beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), "hue-pki-")), "pki");
  clock = new FakeClock(Math.floor(Date.now() / 1000) * 1000);
});

afterEach(async () => {
  for (const pki of running.splice(0)) pki.stop();
  await rm(join(folder, ".."), { recursive: true });
});

async function start(options: PkiOptions = {}): Promise<Pki> {
  const pki = await ensurePki(folder, { clock, ...options });
  running.push(pki);
  return pki;
}

describe("first start", () => {
  test("keys are for their owner only, and nothing half-written stays", async () => {
    await start();
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    const files = await readdir(folder);
    expect(files.filter((file) => !/\.(crt|key)$/.test(file))).toEqual([]);
    for (const file of files.filter((f) => f.endsWith(".key"))) expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600);
  });

  test("a client that trusts the server authority reaches the server under every name and address", async () => {
    const pki = await start({ names: ["192.168.7.9", "node-1", "api.example.com", "fd00::9"], clusterDomain: "corp.local" });
    const certificate = new X509Certificate(pki.serving.certificate);
    const hosts = [
      "kubernetes",
      "kubernetes.default",
      "kubernetes.default.svc",
      "kubernetes.default.svc.corp.local",
      "localhost",
      "api.example.com",
    ];
    for (const host of [...hosts, "kubernetes.default.svc.cluster.local", "node-1"]) expect(certificate.checkHost(host)).toBe(host);
    for (const ip of ["127.0.0.1", "::1", "10.43.0.1", "192.168.7.9", "fd00::9"]) expect(certificate.checkIP(ip)).toBe(ip);
    expect(certificate.checkHost("evil.example.com")).toBeUndefined();
  });

  test("every client certificate says who it is and comes from the right authority", async () => {
    const pki = await start();
    const node = await pki.nodeClient("node-1");
    const cases = [
      [pki.client("admin"), "system:admin", ["system:masters"], "client"],
      [pki.client("controller-manager"), "system:kube-controller-manager", [], "client"],
      [pki.client("scheduler"), "system:kube-scheduler", [], "client"],
      [pki.client("apiserver-kubelet-client"), "kube-apiserver-kubelet-client", ["system:masters"], "client"],
      [pki.client("front-proxy-client"), "front-proxy-client", [], "frontProxy"],
      [node, "system:node:node-1", ["system:nodes"], "client"],
    ] as const;
    for (const [{ certificate, key }, commonName, organizations, authority] of cases) {
      const parsed = new X509Certificate(certificate);
      expect(parseCertificatePem(certificate)).toMatchObject({ commonName, organizations });
      expect(parsed.verify(createPublicKey(pki.authority(authority)))).toBe(true);
      expect(parsed.issuer).toBe(new X509Certificate(pki.authority(authority)).subject);
      expect(parsed.checkPrivateKey(createPrivateKey(key))).toBe(true);
      // Java's fabric8 client goes by this line, and takes what does not name its algorithm for RSA.
      expect(key).toMatch(/^-----BEGIN EC PRIVATE KEY-----\n/);
      expect(parsed.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
      expect(parsed.ca).toBe(false);
    }
    expect(new X509Certificate(pki.authority("server")).ca).toBe(true);
  });

  test("client and server believe each other over TLS, and nobody believes another authority", async () => {
    const pki = await start();
    const server = createServer({ ...tlsOf(pki.serving), ca: pki.authority("client"), requestCert: true, rejectUnauthorized: true });
    server.on("tlsClientError", () => {});
    server.on("secureConnection", (socket) => socket.end("hello"));
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo;
    const call = async (credentials: { certificate: string; key: string }): Promise<string> => {
      const socket = connect({ port, host: "127.0.0.1", ca: pki.authority("server"), ...tlsOf(credentials) });
      let text = "";
      for await (const chunk of socket) text += chunk;
      return text;
    };
    expect(await call(pki.client("admin"))).toBe("hello");
    expect(await call(pki.client("front-proxy-client")).catch(() => "refused")).not.toBe("hello");
    server.close();
  });

  test("an operator's own RSA authority is used, and certificates with many names and late ends are well-formed", async () => {
    const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const authority = issueAuthority("Örg Ünit", key, { notBefore: clock.now(), notAfter: Date.UTC(2101, 0, 1) });
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "server-ca.key"), key);
    await writeFile(join(folder, "server-ca.crt"), authority);
    const names = Array.from({ length: 300 }, (_, i) => `node-${i}.example.com`);
    const pki = await start({ names });
    expect(pki.authority("server")).toBe(authority);
    expect(parseCertificatePem(authority)).toMatchObject({ commonName: "Örg Ünit", notAfter: Date.UTC(2101, 0, 1) });
    const serving = new X509Certificate(pki.serving.certificate);
    expect(parseCertificate(serving.raw).dnsNames).toEqual(expect.arrayContaining(names));
    expect(serving.verify(createPublicKey(authority))).toBe(true);
    expect(serving.checkIssued(new X509Certificate(authority))).toBe(true);
    expect(new X509Certificate((await pki.nodeServing("n", [])).certificate).serialNumber).not.toBe(serving.serialNumber);
  });

  test("the service account key signs and keeps its id", async () => {
    const { serviceAccountKey: key } = await start();
    const signature = sign("sha256", Buffer.from("x"), key.privateKey);
    expect(verify("sha256", Buffer.from("x"), key.publicKey, signature)).toBe(true);
    expect((await start()).serviceAccountKey).toMatchObject({ kid: key.kid, algorithm: "ES256" });
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "pem" });
    await writeFile(join(folder, "service-account.key"), rsa);
    expect((await start()).serviceAccountKey.algorithm).toBe("RS256");
  });
});

function tlsOf({ certificate, key }: { certificate: string; key: string }): { cert: string; key: string } {
  return { cert: certificate, key };
}

describe("later starts", () => {
  test("change nothing that is still fit", async () => {
    const read = async (): Promise<string[]> =>
      Promise.all((await readdir(folder)).sort().map((file) => readFile(join(folder, file), "utf8")));
    await start({ names: ["10.0.0.1", "fd00:0:0::9"] });
    const before = await read();
    await start({ names: ["10.0.0.1", "fd00::9"] });
    await start();
    expect(await read()).toEqual(before);
  });

  test("a new address makes a new serving certificate from the same authority", async () => {
    const first = await start();
    const second = await start({ names: ["10.9.9.9"] });
    expect(second.serving.certificate).not.toBe(first.serving.certificate);
    expect(parseCertificatePem(second.serving.certificate).ips).toContain("10.9.9.9");
    expect(second.authority("server")).toBe(first.authority("server"));
  });

  test("a spoilt leaf is issued again", async () => {
    await start();
    await writeFile(join(folder, "admin.crt"), "");
    await rm(join(folder, "scheduler.key"));
    const pki = await start();
    expect(parseCertificatePem(pki.client("admin").certificate).commonName).toBe("system:admin");
    expect(new X509Certificate(pki.client("scheduler").certificate).checkPrivateKey(createPrivateKey(pki.client("scheduler").key))).toBe(
      true,
    );
  });

  const spoilt: [name: string, spoil: () => Promise<unknown>, message: RegExp][] = [
    [
      "an authority's certificate is no certificate",
      () => writeFile(join(folder, "server-ca.crt"), "x"),
      /server-ca.crt is not a certificate; restore it/,
    ],
    ["an authority's key is no key", () => writeFile(join(folder, "client-ca.key"), "x"), /client-ca.key is not a private key; restore it/],
    [
      "an authority's key is missing",
      () => rm(join(folder, "client-ca.key")),
      /client-ca.key is missing beside its certificate; restore it/,
    ],
    [
      "certificate and key are of two authorities",
      async () => writeFile(join(folder, "server-ca.key"), await readFile(join(folder, "client-ca.key"))),
      /server-ca.crt does not belong to .*server-ca.key/,
    ],
    [
      "an authority's file cannot be read",
      () => rm(join(folder, "server-ca.crt")).then(() => mkdirAt("server-ca.crt")),
      /server-ca.crt cannot be read/,
    ],
    [
      "the service account key is no key",
      () => writeFile(join(folder, "service-account.key"), "x"),
      /service-account.key is not a private key/,
    ],
  ];
  const mkdirAt = async (file: string): Promise<void> => {
    await mkdir(join(folder, file));
  };
  test.each(spoilt)("nothing is replaced when %s", async (_, spoil, message) => {
    await start();
    await spoil();
    const before = await readdir(folder);
    await expect(start()).rejects.toThrow(message);
    expect(await readdir(folder)).toEqual(before);
  });

  test("an authority's lost certificate is made again from its key, and what it signed stays good", async () => {
    const first = await start();
    await rm(join(folder, "server-ca.crt"));
    const second = await start();
    expect(second.serving).toEqual(first.serving);
    expect(new X509Certificate(second.serving.certificate).verify(createPublicKey(second.authority("server")))).toBe(true);
  });

  test("a folder that others could read is closed", async () => {
    await start();
    await chmod(folder, 0o755);
    await start();
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
  });
});

describe("renewal", () => {
  test("leaves are renewed by the timer when less than 90 days remain", async () => {
    const pki = await start();
    let renewed = 0;
    pki.onRenewed(() => renewed++);
    const { certificate } = pki.serving;
    clock.advance(274 * day);
    expect(await pki.renew()).toBe(false);
    expect([renewed, pki.serving.certificate]).toEqual([0, certificate]);
    clock.advance(2 * day);
    await expect.poll(() => renewed).toBeGreaterThan(0);
    expect(parseCertificatePem(pki.serving.certificate).notAfter).toBeGreaterThan(clock.now() + 360 * day);
    expect(await readFile(join(folder, "apiserver.crt"), "utf8")).toBe(pki.serving.certificate);
  });

  test("an authority gets a new certificate for its key in its last year; old and new certificates fit together", async () => {
    const pki = await start();
    const old = pki.authority("server");
    clock.advance(9.5 * 365 * day);
    await pki.renew();
    const renewed = new X509Certificate(pki.authority("server"));
    expect(renewed.validToDate.getTime()).toBeGreaterThan(clock.now() + 9 * 365 * day);
    expect(new X509Certificate(pki.serving.certificate).verify(createPublicKey(old))).toBe(true);
    expect(new X509Certificate(old).verify(renewed.publicKey)).toBe(true);
  });

  test("names that come up later are added without a restart", async () => {
    const pki = await start({ names: ["10.0.0.1"] });
    let renewed = 0;
    pki.onRenewed(() => renewed++);
    await pki.addServingNames(["10.0.0.1"]);
    expect(renewed).toBe(0);
    await pki.addServingNames(["10.0.0.2"]);
    expect(renewed).toBe(1);
    expect(parseCertificatePem(pki.serving.certificate).ips).toEqual(expect.arrayContaining(["10.0.0.1", "10.0.0.2"]));
  });

  test("after stop the timer rests", async () => {
    const pki = await start();
    const { certificate } = pki.serving;
    pki.stop();
    clock.advance(400 * day);
    expect(pki.serving.certificate).toBe(certificate);
  });
});

describe("certificate requests", () => {
  test("a node's request is signed with what it asks for, for as long as it is granted", async () => {
    const pki = await start();
    const asked = { commonName: "system:node:n2", organizations: ["system:nodes"], names: ["n2", "10.1.2.3", "fd00::3"] };
    const { key, request } = createRequest(asked);
    expect(await parseRequest(request)).toMatchObject({
      commonName: "system:node:n2",
      organizations: ["system:nodes"],
      dnsNames: ["n2"],
      ips: ["10.1.2.3", "fd00::3"],
      emails: [],
      uris: [],
    });
    const signed = await pki.signRequest("server", request, { usages: ["server auth", "client auth"], expirationSeconds: 3600 });
    const facts = parseCertificatePem(signed);
    expect(facts).toMatchObject({
      commonName: "system:node:n2",
      organizations: ["system:nodes"],
      dnsNames: ["n2"],
      ips: ["10.1.2.3", "fd00::3"],
    });
    expect(Math.round((facts.notAfter - clock.now()) / 1000)).toBe(3600);
    const parsed = new X509Certificate(signed);
    expect(parsed.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
    expect(parsed.checkPrivateKey(createPrivateKey(key))).toBe(true);
  });

  test("never outlives the authority", async () => {
    const pki = await start();
    const { request } = createRequest({ commonName: "x" });
    const signed = await pki.signRequest("client", request, { usages: ["client auth"], expirationSeconds: 100 * 365 * 86_400 });
    expect(parseCertificatePem(signed).notAfter).toBe(parseCertificatePem(pki.authority("client")).notAfter);
  });

  test("what is no request, or is not signed by its own key, is refused", async () => {
    const pki = await start();
    const { request } = createRequest({ commonName: "system:node:a" });
    const der = Buffer.from(request.replace(/-----[^-]+-----|\s/g, ""), "base64");
    der.write("b", der.indexOf("system:node:a") + 12);
    const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;
    await expect(pki.signRequest("client", forged, { usages: ["client auth"] })).rejects.toThrow("is not of its own key");
    for (const text of ["", "hello", pki.authority("client")]) await expect(parseRequest(text)).rejects.toThrow();
  });

  test("odd values are taken as they are, never as separators", async () => {
    const pki = await start();
    const odd = { commonName: "a,O=system:masters+x\\y#", organizations: ["g, CN=admin", "ü"] };
    const { request } = createRequest(odd);
    const facts = parseCertificatePem(await pki.signRequest("client", request, { usages: ["client auth"] }));
    expect(facts).toMatchObject(odd);
  });
});

test("a certificate seen before is not parsed again", async () => {
  const pki = await start();
  const der = new X509Certificate(pki.client("admin").certificate).raw;
  expect(parseCertificate(Buffer.from(der))).toBe(parseCertificate(der));
  expect(() => parseCertificate(Buffer.from("no certificate"))).toThrow();
});
