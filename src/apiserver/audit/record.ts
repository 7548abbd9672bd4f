import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import type { Status } from "../../api/types/meta.v1.ts";
import { formatMicroTime } from "../../api/meta/time.ts";
import type { RequestAttributes, UserInfo } from "../../api/user.ts";
import type { Clock } from "../../lib/clock.ts";
import type { RequestPath } from "../request-path.ts";
import type { CurrentAudit } from "./current.ts";
import { type AuditEvent, type ObjectReference, type Sink, userFields } from "./event.ts";
import { levels, type Policy, type Stage, type Verdict } from "./policy.ts";

const longestUserAgent = 1024;

/** What records are made with. */
export interface RecordParts {
  policy: Policy;
  sink: Sink;
  clock: Clock;
}

/** The audit events of one request, from its arrival to its end. */
export class AuditRecord implements CurrentAudit {
  private readonly parts: RecordParts;
  private readonly request: IncomingMessage;
  private readonly path: RequestPath;
  private readonly id: string;
  private readonly received: string;
  private readonly isLong: boolean;
  private verdict: Verdict | undefined;
  private user: UserInfo | undefined;
  private impersonated: UserInfo | undefined;
  private constraint = "";
  private readonly annotations = new Map<string, string>();
  private objectRef: ObjectReference | undefined;
  private requestObject: unknown;
  private responseObject: unknown;
  private status: Partial<Status> | undefined;
  private failure: string | undefined;
  private started = false;

  constructor(parts: RecordParts, request: IncomingMessage, path: RequestPath, id: string) {
    this.parts = parts;
    this.request = request;
    this.path = path;
    this.id = id;
    this.received = formatMicroTime(parts.clock.now());
    this.isLong = path.isResource && (path.verb === "watch" || longSubresources.has(path.subresource));
  }

  /** The policy is asked, now that it is known who sends the request: undefined when authentication has failed. */
  authenticated(user: UserInfo | undefined): void {
    this.user = user;
    this.verdict = this.parts.policy({ ...this.path, user });
    if (this.path.isResource) this.objectRef = referenceOf(this.path);
    if (user) this.tell("RequestReceived");
  }

  /** Authentication has failed with these kinds of credentials. */
  unauthenticated(attempted: readonly string[]): void {
    const how = attempted.length > 0 ? `attempted: ${attempted.join(", ")}` : "no credentials provided";
    this.status = { metadata: {}, message: `Authentication failed, ${how}` };
    this.authenticated(undefined);
  }

  /** Authorisation has decided about the request itself, or about whether its sender may be somebody else for it. */
  decided({ user, verb }: Pick<RequestAttributes, "user" | "verb">, allowed: boolean, reason: string): void {
    if (verb.startsWith("impersonate")) {
      // The last one that is asked for is the one that counted.
      if (allowed) this.constraint = verb.startsWith("impersonate:") ? verb : "";
      return;
    }
    if (user !== this.user) this.impersonated = user;
    this.annotate("authorization.k8s.io/decision", allowed ? "allow" : "forbid");
    this.annotate("authorization.k8s.io/reason", reason);
  }

  readonly annotate: CurrentAudit["annotate"] = (key, value, level) => {
    if (!this.annotations.has(key) && (!level || this.wants(level))) this.annotations.set(key, value);
  };

  sent(object: unknown, isPatch = false): void {
    if (!this.wants("Metadata")) return;
    if (!isPatch) this.completeReference(object);
    if (this.wants("Request")) this.requestObject = this.shown(object);
  }

  panicked(message: string): void {
    this.failure = message;
  }

  /** Whether the body of the answer is to be shown, whatever it is. */
  get wantsResponse(): boolean {
    return this.wants("RequestResponse") && this.path.isResource && !this.isLong;
  }

  /** The answer's code is on its way. */
  startsResponse(code: number): void {
    if (this.started) return;
    this.started = true;
    this.status = { metadata: {}, ...this.status, code };
    if (this.isLong || !this.user) this.tell("ResponseStarted");
  }

  /** The answer's body, as JSON. */
  answered(body: unknown): void {
    const { kind, status, message, reason, details } = (body ?? {}) as Partial<Status>;
    if (kind === "Status")
      this.status = {
        ...this.status,
        ...(status ? { status } : {}),
        ...(message ? { message } : {}),
        ...(reason ? { reason } : {}),
        ...(details && Object.keys(details).length > 0 ? { details } : {}),
      };
    if (this.wantsResponse) this.responseObject = this.shown(body);
  }

  /** Nothing more is sent. */
  ended(): void {
    if (!this.user) return;
    if (this.failure !== undefined) {
      const message = `APIServer panic'd: ${this.failure}`;
      this.status = { metadata: {}, status: "Failure", message, reason: "InternalError", code: 500 };
      this.tell("Panic");
      return;
    }
    if (!this.started) {
      this.started = true;
      this.status = { metadata: {}, status: "Success", message: "Connection closed early", code: 200 };
      if (this.isLong) this.tell("ResponseStarted");
    }
    this.tell("ResponseComplete");
  }

  private wants(level: Verdict["level"]): boolean {
    return this.verdict !== undefined && levels.indexOf(this.verdict.level) >= levels.indexOf(level);
  }

  /** A copy as it is now, without what the policy leaves out. */
  private shown(object: unknown): unknown {
    const omit = this.verdict?.omitManagedFields;
    return JSON.parse(JSON.stringify(object, (key, value) => (omit && key === "managedFields" ? undefined : value)) ?? "null");
  }

  private completeReference(object: unknown): void {
    const { name, namespace, uid, resourceVersion } = (object as { metadata?: ObjectReference } | null)?.metadata ?? {};
    const reference = this.objectRef;
    if (!reference) return;
    if (namespace) reference.namespace ??= namespace;
    if (name) reference.name ??= name;
    if (uid) reference.uid ??= uid;
    if (resourceVersion) reference.resourceVersion ??= resourceVersion;
  }

  private tell(stage: Stage): void {
    const { verdict, user, path, request, impersonated } = this;
    if (!verdict || verdict.level === "None" || verdict.omitStages.has(stage)) return;
    const userAgent = request.headers["user-agent"];
    const event: AuditEvent = {
      kind: "Event",
      apiVersion: "audit.k8s.io/v1",
      level: verdict.level,
      auditID: this.id,
      stage,
      requestURI: request.url ?? "",
      verb: path.verb,
      user: user ? userFields(user) : {},
      impersonatedUser: impersonated && userFields(impersonated),
      authenticationMetadata: this.constraint ? { impersonationConstraint: this.constraint } : undefined,
      sourceIPs: sourceIPs(request),
      userAgent: userAgent && userAgent.length > longestUserAgent ? `${userAgent.slice(0, longestUserAgent)}...TRUNCATED` : userAgent,
      objectRef: this.objectRef && { ...this.objectRef },
      responseStatus: this.status,
      requestObject: this.requestObject,
      responseObject: this.responseObject,
      requestReceivedTimestamp: this.received,
      stageTimestamp: stage === "RequestReceived" ? this.received : formatMicroTime(this.parts.clock.now()),
      annotations: this.annotations.size > 0 ? Object.fromEntries([...this.annotations].sort()) : undefined,
    };
    this.parts.sink.write(event);
  }
}

const longSubresources = new Set(["attach", "exec", "proxy", "log", "portforward"]);

function referenceOf({ resource, namespace, name, group, version, subresource }: RequestPath): ObjectReference {
  return {
    ...(resource ? { resource } : {}),
    ...(namespace ? { namespace } : {}),
    ...(name ? { name } : {}),
    ...(group ? { apiGroup: group } : {}),
    ...(version ? { apiVersion: version } : {}),
    ...(subresource ? { subresource } : {}),
  };
}

/** Where the request comes from: what proxies say, then the connection's other end. */
export function sourceIPs({ headers, socket }: Pick<IncomingMessage, "headers" | "socket">): string[] {
  const forwarded = [headers["x-forwarded-for"] ?? []].flat().flatMap((text) => text.split(","));
  const real = [headers["x-real-ip"] ?? []].flat();
  const addresses = forwarded.map((one) => one.trim()).filter((one) => isIP(one));
  for (const one of real) if (isIP(one) && !addresses.includes(one)) addresses.push(one);
  const remote = socket.remoteAddress?.replace(/^::ffff:/, "");
  if (remote && addresses.at(-1) !== remote) addresses.push(remote);
  return addresses;
}
