import type { UserInfo as UserInfoFields } from "../../api/types/authentication.v1.ts";
import type { Status } from "../../api/types/meta.v1.ts";
import type { UserInfo } from "../../api/user.ts";
import type { Level, Stage } from "./policy.ts";

/** What a request is about. */
export interface ObjectReference {
  resource?: string;
  namespace?: string;
  name?: string;
  uid?: string;
  apiGroup?: string;
  apiVersion?: string;
  resourceVersion?: string;
  subresource?: string;
}

/** An Event of audit.k8s.io/v1, in the order in which its fields are written. */
export interface AuditEvent {
  kind: "Event";
  apiVersion: "audit.k8s.io/v1";
  level: Level;
  auditID: string;
  stage: Stage;
  requestURI: string;
  verb: string;
  user: UserInfoFields;
  impersonatedUser?: UserInfoFields | undefined;
  authenticationMetadata?: { impersonationConstraint: string } | undefined;
  sourceIPs?: readonly string[];
  userAgent?: string | undefined;
  objectRef?: ObjectReference | undefined;
  responseStatus?: Partial<Status> | undefined;
  requestObject?: unknown;
  responseObject?: unknown;
  /** RFC 3339 with microseconds. */
  requestReceivedTimestamp: string;
  stageTimestamp: string;
  annotations?: Readonly<Record<string, string>> | undefined;
}

/** Takes events. They are never changed afterwards. */
export interface Sink {
  write(event: AuditEvent): void;
  /** Brings out what is waiting. */
  close(): Promise<void> | void;
}

/** A user as events show one. */
export function userFields({ name, uid, groups, extra }: UserInfo): UserInfoFields {
  return {
    username: name,
    ...(uid ? { uid } : {}),
    ...(groups.length > 0 ? { groups: [...groups] } : {}),
    ...(extra && Object.keys(extra).length > 0
      ? { extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])) }
      : {}),
  };
}

/** The event in one line of text: --audit-log-format=legacy. */
export function legacyLine(event: AuditEvent): string {
  const { user, impersonatedUser: other, sourceIPs, objectRef, responseStatus } = event;
  const quoted = (text: string | undefined): string => JSON.stringify(text ?? "");
  const list = (groups: readonly string[] | undefined): string | undefined => groups?.map(quoted).join(",");
  const fields = [
    ["id", event.auditID],
    ["stage", event.stage],
    ["ip", sourceIPs?.[0] ?? "<unknown>"],
    ["method", event.verb],
    ["user", user.username || "<none>"],
    ["groups", (user.username && list(user.groups)) || "<none>"],
    ["as", other?.username ?? "<self>"],
    ["asgroups", list(other?.groups) ?? "<lookup>"],
    ["user-agent", event.userAgent],
    ["namespace", objectRef?.namespace || "<none>"],
    ["uri", event.requestURI],
    ["response", responseStatus ? String(responseStatus.code ?? 0) : "<deferred>"],
  ] as const;
  return `${event.requestReceivedTimestamp} AUDIT: ${fields.map(([name, value]) => `${name}=${quoted(value)}`).join(" ")}`;
}
