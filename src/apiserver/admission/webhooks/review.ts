import { randomUUID } from "node:crypto";
import type { KubeObject } from "../../../api/meta/object.ts";
import type { Status } from "../../../api/types/meta.v1.ts";
import { StatusError } from "../../../api/errors.ts";
import type { ResourceHandler } from "../../resource-handler.ts";
import type { AdmissionRequest } from "../admission.ts";
import { converted, type Match } from "../matching.ts";

/** The request of an AdmissionReview. */
export interface ReviewRequest {
  uid: string;
  kind: GroupVersionKind;
  resource: GroupVersionResource;
  subResource?: string;
  requestKind: GroupVersionKind;
  requestResource: GroupVersionResource;
  requestSubResource?: string;
  name?: string;
  namespace?: string;
  operation: AdmissionRequest["operation"];
  userInfo: object;
  object: KubeObject | null;
  oldObject: KubeObject | null;
  dryRun: boolean;
  options: object | null;
}

interface GroupVersionKind {
  group: string;
  version: string;
  kind: string;
}

interface GroupVersionResource {
  group: string;
  version: string;
  resource: string;
}

/** What a webhook answers, as far as it is used. */
export interface ReviewResponse {
  allowed: boolean;
  status?: Partial<Status>;
  /** The JSON patch; undefined for none. */
  patch?: unknown;
  warnings: readonly string[];
  auditAnnotations: Readonly<Record<string, unknown>>;
}

/** How what a webhook sees is made of the request's object, and back: versions and subresources differ. */
export interface Sight {
  object: KubeObject | undefined;
  old: KubeObject | undefined;
}

const optionKinds = { CREATE: "CreateOptions", UPDATE: "UpdateOptions", DELETE: "DeleteOptions" } as const;

/** What the webhook is shown of the objects: its version; of a subresource with a kind of its own, that (Scale). Rejects as `converted` does. */
export async function sightOf(request: AdmissionRequest, { from, to }: Match): Promise<Sight> {
  const shown = (object: KubeObject | undefined): KubeObject | undefined | Promise<KubeObject> => {
    if (!object || !from || !to || request.operation === "CONNECT") return object;
    const subresource = from.subresources.get(request.subresource);
    if (subresource?.shape === "object" && subresource.kind !== from.info.kind) return subresource.show(object);
    return subresource?.shape === "call" || from === to ? object : converted(object, from, to);
  };
  const [object, old] = await Promise.all([shown(request.object), shown(request.old)]);
  return { object, old };
}

/** The request that is sent, in which `sight` is what the webhook sees. */
export function reviewRequest(request: AdmissionRequest, match: Match, sight: Sight): ReviewRequest {
  const { resource, subresource, operation, user, dryRun } = request;
  const namespace = resource.group === "" && resource.plural === "namespaces" ? nameOf(request) : request.namespace;
  const name = nameOf(request);
  const kind = kindOf(sight.object ?? sight.old, match.to);
  const seen = match.to?.info ?? resource;
  const options = operation === "CONNECT" ? undefined : { kind: optionKinds[operation], apiVersion: "meta.k8s.io/v1" };
  return {
    uid: randomUUID(),
    kind,
    resource: { group: seen.group, version: seen.version, resource: seen.plural },
    ...(subresource ? { subResource: subresource } : {}),
    requestKind: match.to === match.from ? kind : kindOf(request.object ?? request.old, match.from),
    requestResource: { group: resource.group, version: resource.version, resource: resource.plural },
    ...(subresource ? { requestSubResource: subresource } : {}),
    ...(name ? { name } : {}),
    ...(namespace ? { namespace } : {}),
    operation,
    userInfo: {
      username: user.name,
      ...(user.uid ? { uid: user.uid } : {}),
      groups: user.groups,
      ...(user.extra ? { extra: user.extra } : {}),
    },
    object: sight.object ?? null,
    oldObject: sight.old ?? null,
    dryRun,
    options: options && dryRun ? { ...options, dryRun: ["All"] } : (options ?? null),
  };
}

function nameOf({ name, object }: AdmissionRequest): string {
  return name || object?.metadata?.name || "";
}

function kindOf(object: KubeObject | undefined, handler: ResourceHandler | undefined): GroupVersionKind {
  const { apiVersion, kind } = object ?? { apiVersion: handler?.info.groupVersion ?? "", kind: handler?.info.kind ?? "" };
  const slash = apiVersion.indexOf("/");
  return { group: apiVersion.slice(0, Math.max(slash, 0)), version: apiVersion.slice(slash + 1), kind };
}

/** Reads a webhook's answer to the review of that uid. Throws an Error that says what is wrong with it. */
export function readResponse(text: string, uid: string, version: string): ReviewResponse {
  const review = parse(text);
  const { response } = review;
  if (!isObject(response)) throw new Error("webhook response was absent");
  if (version === "v1") {
    const gvk = `${review.apiVersion ?? ""}, Kind=${review.kind ?? ""}`;
    if (gvk !== "admission.k8s.io/v1, Kind=AdmissionReview")
      throw new Error(`expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got ${gvk}`);
    if (response["uid"] !== uid)
      throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response["uid"] ?? "")}`);
  }
  const { patch, patchType, warnings, status, auditAnnotations } = response;
  return {
    allowed: response["allowed"] === true,
    ...(isObject(status) ? { status } : {}),
    ...(typeof patch === "string" && patch !== "" ? { patch: patchOf(patch, patchType, version) } : {}),
    warnings: Array.isArray(warnings) ? warnings.map(String) : [],
    auditAnnotations: isObject(auditAnnotations) ? auditAnnotations : {},
  };
}

function patchOf(patch: string, type: unknown, version: string): unknown {
  if (version === "v1" && !type) throw new Error("webhook returned response.patch but not response.patchType");
  if (type && type !== "JSONPatch") throw new Error(`webhook returned invalid response.patchType of ${JSON.stringify(type)}`);
  return JSON.parse(Buffer.from(patch, "base64").toString());
}

function parse(text: string): { apiVersion?: unknown; kind?: unknown; response?: unknown } {
  const value: unknown = JSON.parse(text);
  if (!isObject(value)) throw new Error("webhook response was absent");
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The refusal of a webhook, in the words that users know. */
export function denial(webhook: string, status: Partial<Status> = {}): StatusError {
  const denied = `admission webhook ${JSON.stringify(webhook)} denied the request`;
  const why = status.message || status.reason;
  return new StatusError({
    ...status,
    code: Math.max(status.code ?? 0, 400),
    status: !status.status || status.status === "Success" ? "Failure" : status.status,
    message: why ? `${denied}: ${why}` : `${denied} without explanation`,
  });
}
