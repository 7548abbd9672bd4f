import { randomUUID } from "node:crypto";
import { type IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { badRequest, type StatusError } from "../../api/errors.ts";
import { requiredValue } from "../../api/meta/fields.ts";
import type { RequestAttributes, UserInfo } from "../../api/user.ts";
import { endWith } from "../../lib/last-words.ts";
import type { Logger } from "../../lib/log.ts";
import { type Authentication, Impersonation, impersonates } from "../authentication/index.ts";
import type { Authorization } from "../authorization/index.ts";
import type { Gate } from "../fairness/gate.ts";
import type { Metrics } from "../metrics.ts";
import { attributesOf, parseRequestPath, type RequestPath } from "../request-path.ts";
import { upgradeOf, type UpgradeRequest } from "../streaming/web-sockets.ts";
import { checkReadsPast, pastQuery } from "../verbs/past.ts";
import { Responder, statusErrorOf } from "./reply.ts";
import type { PageRequest } from "./routes.ts";
import { type ResourceParts, type ResourceRequest, serveResource } from "./resource-requests.ts";

/** A request that is more than one answer: exec, attach, port-forward, proxies. By upgrade, then with socket and head, or plainly. */
export interface ConnectRequest {
  path: RequestPath;
  query: URLSearchParams;
  user: UserInfo;
  request: IncomingMessage;
  /** Undefined for an upgrade: then the handler speaks on the socket. */
  response: ServerResponse | undefined;
  socket: Duplex;
  head: Buffer;
}

/** Serves a ConnectRequest; throws StatusErrors before it has begun to answer. */
export type ConnectHandler = (request: ConnectRequest) => Promise<void> | void;

/** What the listener needs of the server. */
export interface ListenerParts extends ResourceParts {
  authentication: Pick<Authentication, "authenticate">;
  authorization: Pick<Authorization, "check">;
  log: Logger;
  metrics: Metrics;
  /** Subresources that are served as connections, by "pods/exec". */
  connect: Readonly<Record<string, ConnectHandler>>;
  /** Who serves that path in the place of this server, if anybody. */
  extension(path: string): ConnectHandler | undefined;
  /** Everything but resources: discovery, health, metrics, OpenAPI. */
  other(asked: PageRequest): void;
  /** Limits how many requests are served at once; connections are not counted. */
  gate: Gate;
}

/** The request and upgrade listeners of an HTTPS server. */
export interface Listener {
  request(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** What a request asks for. */
interface Target {
  path: RequestPath;
  query: URLSearchParams;
}

/** A request of which it is known who sends it, and that he may. */
interface Admitted extends Target {
  user: UserInfo;
}

/** Makes the listeners: authentication, impersonation, authorisation, limits, then the verb. Nothing that fails ends the process. */
export function createListener(parts: ListenerParts): Listener {
  const impersonation = new Impersonation(parts.authorization);
  const admitUser = (request: IncomingMessage, { path, query }: Target, sender: UserInfo): Promise<Admitted> | Admitted => {
    if (query !== noQuery && query.has(pastQuery)) checkReadsPast(path, !!connectHandler(parts, path));
    const attributes = withSelection(attributesOf(path, sender), query);
    if (impersonates(request.headers))
      return impersonation.userOf(attributes, request.headers).then(async (user) => {
        await parts.authorization.check({ ...attributes, user });
        return { path, query, user };
      });
    const admitted = { path, query, user: sender };
    const waiting = parts.authorization.check(attributes);
    return waiting ? waiting.then(() => admitted) : admitted;
  };
  const admit = (request: IncomingMessage, asked: Target): Promise<Admitted> | Admitted => {
    const { headers } = request;
    const sender = parts.authentication.authenticate({ headers, clientCertificate: peerCertificate(request), path: asked.path.path });
    return sender instanceof Promise ? sender.then((user) => admitUser(request, asked, user)) : admitUser(request, asked, sender);
  };

  const serve = async (request: IncomingMessage, asked: Target, responder: Responder): Promise<void> => {
    const { response } = responder;
    const admitted = admit(request, asked);
    const { path, query, user } = admitted instanceof Promise ? await admitted : admitted;
    const connect = connectHandler(parts, path);
    if (connect) return connect({ path, query, user, request, response, socket: request.socket, head: Buffer.alloc(0) });
    const entered = parts.gate.enter({
      path,
      query,
      user,
      onGone: (call) => void response.on("close", call),
      headers(headers) {
        responder.more = headers;
      },
    });
    const seat = entered instanceof Promise ? await entered : entered;
    try {
      // A watch has begun when this returns, and keeps its seat no longer.
      const served = answer(parts, { path, query, user, request, responder });
      if (served) await served;
    } finally {
      seat.leave();
    }
  };

  return {
    request(request, response) {
      const responder = new Responder(response, auditIdOf(request));
      const asked = target(request);
      const measured = parts.metrics.begin(asked.path, request.method ?? "GET", response);
      serve(request, asked, responder).then(measured, (error: unknown) => {
        responder.error(statusErrorOf(error, parts.log, describe(request)));
        measured();
      });
    },
    upgrade(request, socket, head) {
      socket.on("error", () => socket.destroy());
      upgrade(parts, admit, { request, socket, head }).catch((error: unknown) => {
        refuseUpgrade(socket, statusErrorOf(error, parts.log, describe(request)));
      });
    },
  };
}

/** Answers what is no connection: resources, and pages. */
function answer(parts: ListenerParts, incoming: ResourceRequest): Promise<void> | void {
  const { path, responder } = incoming;
  if (!path.isResource) return parts.other(incoming);
  if (parts.registry.has(path.groupVersion) || parts.registry.hasGroup(path.group)) return serveResource(parts, incoming);
  responder.text(404, "text/plain; charset=utf-8", "404 page not found\n");
}

async function upgrade(
  parts: ListenerParts,
  admit: (request: IncomingMessage, asked: Target) => Promise<Admitted> | Admitted,
  { request, socket, head }: UpgradeRequest,
): Promise<void> {
  const { path, query, user } = await admit(request, target(request));
  const connect = connectHandler(parts, path);
  if (connect) return connect({ path, query, user, request, response: undefined, socket, head });
  if (path.verb !== "watch" || upgradeOf(request) !== "websocket")
    throw badRequest("upgrade request required: this resource cannot be connected to");
  const seat = await parts.gate.enter({ path, query, user, onGone: (call) => void socket.on("close", call), headers() {} });
  try {
    // Before the upgrade errors are thrown, and after it nothing but messages is sent: the response stays unused.
    const responder = new Responder(new ServerResponse(request), auditIdOf(request));
    await serveResource(parts, { path, query, user, request, responder, upgrade: { request, socket, head } });
  } finally {
    seat.leave();
  }
}

/** The handler of a connection or of an extension server's path, when the path names one. It asks admission itself. */
function connectHandler({ connect, extension, registry }: ListenerParts, path: RequestPath): ConnectHandler | undefined {
  const { group, groupVersion, resource, subresource } = path;
  const own = subresource && group === "" && registry.find(groupVersion, resource) ? connect[`${resource}/${subresource}`] : undefined;
  return own ?? extension(path.path);
}

/** Refuses an upgrade with a plain HTTP answer that carries the Status. */
function refuseUpgrade(socket: Duplex, error: StatusError): void {
  if (socket.destroyed) return;
  const body = `${JSON.stringify(error.status)}\n`;
  const head = `HTTP/1.1 ${error.code} ${error.reason || "Error"}\r\nContent-Type: application/json\r\n`;
  endWith(socket, `${head}Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`);
}

/** Of all requests without one; nobody changes it. */
const noQuery = new URLSearchParams();

function target(request: IncomingMessage): Target {
  const url = request.url ?? "/";
  const mark = url.indexOf("?");
  const query = mark < 0 ? noQuery : new URLSearchParams(url.slice(mark + 1));
  return { path: parseRequestPath(request.method ?? "GET", mark < 0 ? url : url.slice(0, mark), query), query };
}

/** What can select. See RequestInfo in upstream's API server. */
const selecting = new Set(["list", "watch", "deletecollection"]);

/** Authorisation sees what a collection request selects: a node may list only its own pods, and a role may name the one object that is read. */
function withSelection(attributes: RequestAttributes, query: URLSearchParams): RequestAttributes {
  if (query === noQuery || attributes.name || !selecting.has(attributes.verb)) return attributes;
  const fieldSelector = query.get("fieldSelector");
  const labelSelector = query.get("labelSelector");
  if (!fieldSelector && !labelSelector) return attributes;
  const selectors = { ...(fieldSelector ? { fieldSelector } : {}), ...(labelSelector ? { labelSelector } : {}) };
  const named = attributes.verb !== "deletecollection" && fieldSelector ? requiredValue(fieldSelector, "metadata.name") : undefined;
  return { ...attributes, ...selectors, name: named ?? "" };
}

const certificates = new WeakMap<TLSSocket, Buffer | undefined>();

/** The client's certificate in DER, when TLS has asked for one and found it to be signed by the client authority. Read once a connection. */
function peerCertificate({ socket }: IncomingMessage): Buffer | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  if (!certificates.has(socket)) certificates.set(socket, socket.getPeerX509Certificate()?.raw);
  return certificates.get(socket);
}

const auditPrefix = randomUUID().slice(0, 24);
let audited = 0;

/** The client's own, or one that no other request of any server has: what is random in it is made once. */
function auditIdOf(request: IncomingMessage): string {
  const given = request.headers["audit-id"];
  return typeof given === "string" && given ? given.slice(0, 64) : auditPrefix + (++audited).toString(16).padStart(12, "0");
}

function describe(request: IncomingMessage): string {
  return `${request.method} ${request.url?.split("?", 1)[0]}`;
}
