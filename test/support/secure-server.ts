import { createPublicKey } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { stringify } from "yaml";
import { issueAuthority, issueLeaf, newKey } from "../../src/pki/issue.ts";

/** What a server of a test is asked. */
export interface Asked {
  path: string;
  headers: IncomingHttpHeaders;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into reviews of every kind
  body: any;
}

/** What it answers: a code (default 200) and a body, text or JSON. */
export interface Answered {
  code?: number;
  body?: string | object;
}

/** An HTTPS server on loopback with an authority of its own. */
export interface SecureServer {
  /** https://127.0.0.1:PORT */
  url: string;
  /** The authority's certificate, PEM. */
  authority: string;
  /** All that it has been asked. */
  asked: Asked[];
  answer: (asked: Asked) => Answered;
  /** Writes a kubeconfig that names it, with a token. */
  writeKubeconfig(path: string, token?: string): string;
  stop(): Promise<void>;
}

/** Starts one that answers as it is told. */
export async function startSecureServer(answer: (asked: Asked) => Answered): Promise<SecureServer> {
  const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 };
  const authorityKey = newKey();
  const authority = { key: authorityKey, certificate: issueAuthority("test", authorityKey, validity) };
  const key = newKey();
  const spec = { commonName: "server", names: ["127.0.0.1"], usages: ["server auth"] as const };
  const https = createServer({ key, cert: issueLeaf(authority, createPublicKey(key), spec, validity) }, async (request, response) => {
    const body = await text(request);
    const asked: Asked = { path: request.url ?? "", headers: request.headers, body: body ? JSON.parse(body) : undefined };
    server.asked.push(asked);
    const { code = 200, body: said = "" } = server.answer(asked);
    response.writeHead(code, { "content-type": "application/json" });
    response.end(typeof said === "string" ? said : JSON.stringify(said));
  });
  const server: SecureServer = {
    url: "",
    authority: authority.certificate,
    asked: [],
    answer,
    writeKubeconfig(path, token) {
      const cluster = {
        server: `${server.url}/review`,
        "certificate-authority-data": Buffer.from(authority.certificate).toString("base64"),
      };
      const config = {
        ...{ apiVersion: "v1", kind: "Config", "current-context": "it" },
        clusters: [{ name: "it", cluster }],
        users: [{ name: "it", user: token ? { token } : {} }],
        contexts: [{ name: "it", context: { cluster: "it", user: "it" } }],
      };
      writeFileSync(path, stringify(config));
      return path;
    },
    async stop() {
      https.closeAllConnections();
      https.close();
      await once(https, "close");
    },
  };
  https.listen(0, "127.0.0.1");
  await once(https, "listening");
  server.url = `https://127.0.0.1:${(https.address() as AddressInfo).port}`;
  return server;
}
