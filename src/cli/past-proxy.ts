import { createPublicKey, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { methodNotAllowed, type StatusError, unauthorized } from "../api/errors.ts";
import { systemClock } from "../lib/clock.ts";
import { issueAuthority, issueLeaf, newKey } from "../pki/issue.ts";
import { type Kubeconfig, makeKubeconfig } from "../pki/kubeconfig.ts";
import { ask, type Server } from "./connection.ts";

/** What belongs to one connection, or is known better here. */
const own = new Set(["authorization", "connection", "host", "upgrade", "content-length", "transfer-encoding", "keep-alive"]);

/**
 * Serves the cluster of a past moment on loopback, over TLS and to whoever has the kubeconfig: gets and lists are the server's, as the
 * user who asks there, at that moment; all else is refused.
 */
export async function startPastProxy(server: Server, at: string): Promise<{ kubeconfig: Kubeconfig; close(): void }> {
  const key = newKey();
  const validity = { notBefore: systemClock.now() - 60_000, notAfter: systemClock.now() + 365 * 24 * 60 * 60_000 };
  const authority = { key, certificate: issueAuthority("hue at", key, validity) };
  const cert = issueLeaf(
    authority,
    createPublicKey(key),
    { commonName: "hue at", names: ["127.0.0.1"], usages: ["server auth"] },
    validity,
  );
  const token = randomBytes(32).toString("hex");
  const expected = Buffer.from(`Bearer ${token}`);
  const proxy = createServer({ key, cert }, (request, response) => {
    const given = Buffer.from(request.headers.authorization ?? "");
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return refuse(response, unauthorized());
    if (request.method !== "GET") return refuse(response, methodNotAllowed("the past is read only"));
    forward(server, at, request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const { port } = proxy.address() as AddressInfo; // It listens on a port.
  const kubeconfig = makeKubeconfig({ server: `https://127.0.0.1:${port}`, authority: authority.certificate, user: { token } });
  return {
    kubeconfig,
    close() {
      proxy.close();
      proxy.closeAllConnections();
    },
  };
}

async function forward(server: Server, at: string, { url = "/", headers }: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = `${url}${url.includes("?") ? "&" : "?"}hue.at=${encodeURIComponent(at)}`;
  const answer = await ask(server, path, others(headers));
  response.writeHead(answer.statusCode ?? 502, others(answer.headers));
  answer.on("error", () => response.destroy()).pipe(response);
}

function others(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !own.has(name)));
}

function refuse(response: ServerResponse, error: StatusError): void {
  response.writeHead(error.code, { "content-type": "application/json" }).end(`${JSON.stringify(error.status)}\n`);
}
