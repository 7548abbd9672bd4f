import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { parse } from "yaml";
import type { UserInfo } from "../../api/user.ts";
import type { Credentials } from "../authentication/index.ts";
import { type Authorization, refusal } from "../authorization/index.ts";
import type { Decision } from "../authorization/authorizer.ts";
import { createListener, type Listener, type ListenerParts } from "../http/listener.ts";
import { parseRequestPath } from "../request-path.ts";
import { currentAudit, withAudit } from "./current.ts";
import { AuditRecord, type RecordParts } from "./record.ts";

/** Bytes of an answer that are kept to be shown. */
const longestAnswer = 16 * 2 ** 20;

/** A listener whose requests are told to the audit's sink as its policy wants it. */
export function auditedListener(parts: ListenerParts & { authorization: Authorization }, audit: RecordParts): Listener {
  const listener = createListener({
    ...parts,
    authentication: { authenticate: (credentials) => authenticate(parts, credentials) },
    authorization: { ...parts.authorization, check: (attributes) => check(parts.authorization, attributes) },
  });
  const recordOf = (request: IncomingMessage): AuditRecord => {
    const [path = "/", query = ""] = (request.url ?? "/").split(/\?(.*)/s, 2);
    // The listener takes it from here.
    const id = String((request.headers["audit-id"] ||= randomUUID())).slice(0, 64);
    return new AuditRecord(audit, request, parseRequestPath(request.method ?? "GET", path, new URLSearchParams(query)), id);
  };
  return {
    request(request, response) {
      const record = recordOf(request);
      followResponse(record, response);
      withAudit(record, () => listener.request(request, response));
    },
    upgrade(request, socket, head) {
      const record = recordOf(request);
      followSocket(record, socket);
      withAudit(record, () => listener.upgrade(request, socket, head));
    },
  };
}

function current(): AuditRecord | undefined {
  const audit = currentAudit();
  return audit instanceof AuditRecord ? audit : undefined;
}

function authenticate({ authentication }: ListenerParts, credentials: Credentials): Promise<UserInfo> | UserInfo {
  const record = current();
  const failed = (error: unknown): never => {
    record?.unauthenticated(attempted(credentials));
    throw error;
  };
  const found = (user: UserInfo): UserInfo => {
    record?.authenticated(user);
    return user;
  };
  try {
    const user = authentication.authenticate(credentials);
    return user instanceof Promise ? user.then(found, failed) : found(user);
  } catch (error) {
    return failed(error);
  }
}

function attempted({ headers, clientCertificate }: Credentials): string[] {
  const scheme = headers.authorization?.trim().split(" ", 1)[0]?.toLowerCase();
  return [...(scheme === "basic" || scheme === "bearer" ? [scheme] : []), ...(clientCertificate ? ["x509"] : [])];
}

type Attributes = Parameters<Authorization["check"]>[0];

/** Checks as the authorisation does, and keeps what it says of the request itself, and who was impersonated for it. */
function check(authorization: Authorization, attributes: Attributes): Promise<void> | void {
  const record = current();
  const decided = ({ verdict, reason }: Decision): void => {
    record?.decided(attributes, verdict === "allow", reason);
    if (verdict !== "allow") throw refusal(attributes, reason);
  };
  const decision = authorization.authorize(attributes);
  return decision instanceof Promise ? decision.then(decided) : decided(decision);
}

/** Tells the record of the answer's code, of what it needs of the body, and of the end. */
function followResponse(record: AuditRecord, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  let size = 0;
  const keep = (chunk: unknown, encoding: unknown): void => {
    record.startsResponse(response.statusCode);
    if (typeof chunk !== "string" && !(chunk instanceof Uint8Array)) return;
    if (!(record.wantsResponse || response.statusCode >= 400 || isStatus(chunk)) || size > longestAnswer) return;
    const bytes = typeof chunk === "string" ? Buffer.from(chunk, encoding === "latin1" ? "latin1" : "utf8") : Buffer.from(chunk);
    size += bytes.length;
    chunks.push(bytes);
  };
  const { write, end, flushHeaders } = response;
  response.write = function (this: ServerResponse, ...args: unknown[]): boolean {
    keep(args[0], args[1]);
    return Reflect.apply(write, this, args);
  };
  response.end = function (this: ServerResponse, ...args: unknown[]): ServerResponse {
    keep(args[0], args[1]);
    return Reflect.apply(end, this, args);
  };
  response.flushHeaders = function (this: ServerResponse): void {
    record.startsResponse(response.statusCode);
    flushHeaders.call(this);
  };
  response.on("close", () => {
    if (chunks.length > 0 && size <= longestAnswer) record.answered(bodyOf(Buffer.concat(chunks).toString()));
    record.ended();
  });
}

function isStatus(chunk: string | Uint8Array): boolean {
  return typeof chunk === "string" && chunk.startsWith(`{"kind":"Status"`);
}

/** JSON, or YAML for who asked for it. */
function bodyOf(text: string): unknown {
  try {
    return text.startsWith("{") ? JSON.parse(text) : parse(text);
  } catch {
    return undefined;
  }
}

/** An upgrade's answer is read from the first bytes that are sent. */
function followSocket(record: AuditRecord, socket: Duplex): void {
  const { write, end } = socket;
  const first = (chunk: unknown): void => {
    const [, code = "", , body = ""] = /^HTTP\/1\.1 (\d+)(.*?)\r\n\r\n(.*)$/s.exec(String(chunk ?? "")) ?? [];
    if (!code) return;
    socket.write = write;
    socket.end = end;
    record.startsResponse(Number(code));
    if (body.startsWith("{")) record.answered(JSON.parse(body));
  };
  socket.write = function (this: Duplex, ...args: unknown[]): boolean {
    first(args[0]);
    return Reflect.apply(write, this, args);
  };
  socket.end = function (this: Duplex, ...args: unknown[]): Duplex {
    first(args[0]);
    return Reflect.apply(end, this, args);
  };
  socket.once("close", () => record.ended());
}
