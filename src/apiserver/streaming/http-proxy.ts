import { type IncomingHttpHeaders, type IncomingMessage, request as httpRequest, type ServerResponse } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect as tcpConnect } from "node:net";
import type { Duplex } from "node:stream";
import { connect as tlsConnect } from "node:tls";
import { serviceUnavailable } from "../../api/errors.ts";
import { tunnelBetween } from "../backends/tunnel.ts";
import type { ConnectRequest } from "../http/listener.ts";
import { authority } from "./kubelet.ts";
import { type LinkBase, rewriteLinks, rewriteLocation } from "./link-rewriting.ts";
import type { StreamingParts } from "./parts.ts";
import { type ProxyTarget, proxyTarget } from "./proxy-target.ts";
import { upgradeOf } from "./web-sockets.ts";

/** Headers that concern one connection only, and those that say to us who the client is. */
const dropped = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "authorization",
  "http2-settings",
]);

/** pods/proxy, services/proxy and nodes/proxy: the request as it is, to the target; upgrades become a plain tunnel. */
export async function serveProxy(parts: StreamingParts, connect: ConnectRequest, random: () => number): Promise<void> {
  const { path, request, response } = connect;
  const target = proxyTarget(parts, path, random);
  const url = request.url ?? "/";
  const mark = url.indexOf("?");
  const search = mark < 0 ? "" : url.slice(mark);
  const whole = mark < 0 ? url : url.slice(0, mark);
  if (response && path.rest === "" && (request.method === "GET" || request.method === "HEAD")) {
    // Relative links of the page need the slash.
    response.writeHead(301, { Location: `${whole}/${search}` }).end();
    return;
  }
  const prefix = path.rest === "" ? whole : whole.slice(0, whole.length - path.rest.length);
  const onward = {
    ...connect,
    target,
    search: `${path.rest || "/"}${search}`,
    base: { prefix, host: `${authority(target.host)}:${target.port}` },
  };
  if (response) await passOn(parts, { ...onward, response });
  else await tunnel(parts, onward);
}

interface Onward extends ConnectRequest {
  target: ProxyTarget;
  /** The path and query for the target. */
  search: string;
  base: LinkBase;
}

/** TLS of pods and services is not verified: the scheme asks for encryption, nobody knows their authority. */
function tlsOf(parts: StreamingParts, { serverName }: ProxyTarget): object {
  return serverName !== undefined ? { ...parts.kubelets.tls(), servername: serverName } : { rejectUnauthorized: false };
}

async function passOn(parts: StreamingParts, onward: Onward & { response: ServerResponse }): Promise<void> {
  const { request, response, target, search, base } = onward;
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const send = target.scheme === "https" ? httpsRequest : httpRequest;
    const outgoing = send(
      {
        host: target.host,
        port: target.port,
        method: request.method,
        path: search,
        headers: forwarded(onward),
        agent: false,
        ...(target.scheme === "https" ? tlsOf(parts, target) : {}),
      },
      resolve,
    );
    outgoing.once("error", (error) => reject(serviceUnavailable(`error trying to reach service: ${error.message}`)));
    response.once("close", () => outgoing.destroy());
    request.pipe(outgoing);
  });
  answer.on("error", () => response.destroy());
  const isHtml = /^text\/html/i.test(answer.headers["content-type"] ?? "") && !answer.headers["content-encoding"];
  const headers = Object.fromEntries(Object.entries(answer.headers).filter(([name]) => !dropped.has(name)));
  if (typeof headers["location"] === "string") headers["location"] = rewriteLocation(headers["location"], base);
  if (isHtml) delete headers["content-length"];
  response.writeHead(answer.statusCode ?? 502, headers);
  response.flushHeaders();
  if (isHtml && request.method !== "HEAD") answer.pipe(rewriteLinks(base)).pipe(response);
  else answer.pipe(response);
}

function forwarded({ request, base, path }: Onward): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(request.headers))
    if (value !== undefined && !dropped.has(name) && !isIdentity(name) && !name.startsWith(":")) headers[name] = value;
  // Pages are read to rewrite their links.
  if (request.headers.accept?.includes("text/html")) delete headers["accept-encoding"];
  const before = request.headers["x-forwarded-for"];
  const client = request.socket.remoteAddress ?? "";
  headers["host"] = base.host;
  headers["x-forwarded-for"] = before ? `${[before].flat().join(", ")}, ${client}` : client;
  headers["x-forwarded-uri"] = base.prefix + (path.rest || "/");
  headers["x-forwarded-host"] = request.headers.host ?? String(request.headers[":authority"] ?? "");
  headers["x-forwarded-proto"] = "https";
  return headers;
}

/** Who the client is, is between it and us. */
function isIdentity(name: string): boolean {
  return name.startsWith("impersonate-") || name.startsWith("x-remote-");
}

/** An upgrade: the request's head is sent on, then bytes go both ways until one side ends. */
async function tunnel(parts: StreamingParts, onward: Onward): Promise<void> {
  const { request, socket, head, target, search } = onward;
  const backend = await new Promise<Duplex>((resolve, reject) => {
    const secure = target.scheme === "https";
    const made = secure
      ? tlsConnect({ host: target.host, port: target.port, ...tlsOf(parts, target) })
      : tcpConnect({ host: target.host, port: target.port });
    made.once(secure ? "secureConnect" : "connect", () => resolve(made));
    made.once("error", (error) => reject(serviceUnavailable(`error trying to reach service: ${error.message}`)));
  });
  if (socket.destroyed) {
    backend.destroy();
    return;
  }
  const headers: IncomingHttpHeaders = { ...forwarded(onward), connection: "Upgrade", upgrade: upgradeOf(request) };
  const lines = Object.entries(headers).flatMap(([name, value]) => [value ?? []].flat().map((one) => `${name}: ${one}`));
  backend.write(`${request.method} ${search} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
  tunnelBetween(socket, head, backend);
}
