import { randomUUID } from "node:crypto";
import { SignJWT } from "jose";
import { badRequest, conflict, type FieldError, invalid, notFound } from "../../api/errors.ts";
import type { BoundObjectReference, TokenRequest, TokenRequestSpec } from "../../api/types/authentication.v1.ts";
import { currentAudit } from "../audit/current.ts";
import { Nodes, Pods, Secrets, ServiceAccounts } from "../../api/types/resources.ts";
import { type ClaimedObject, type PrivateClaims, serviceAccountUser, type TokenClaims } from "./service-account-claims.ts";
import type { ServiceAccountTokenOptions } from "./service-account-tokens.ts";

/** What the ServiceAccount admission plugin asks for in pods; such tokens live a year, and uses after the hour are counted. */
const warnOnlyExpiration = 60 * 60 + 7;
const extendedExpiration = 365 * 24 * 60 * 60;

/** The service account that a token is asked for: the path of serviceaccounts/token. */
export interface TokenSubject {
  namespace: string;
  name: string;
}

/**
 * Signs a token for a service account (serviceaccounts/token, KEP-1205). Returns the request completed, with its status.
 * Throws NotFound for an account or bound object that is not there, Invalid, BadRequest and Conflict with upstream's texts.
 */
export async function issueToken(options: ServiceAccountTokenOptions, subject: TokenSubject, request: TokenRequest): Promise<TokenRequest> {
  const { objects, keys, issuers, clock } = options;
  const spec = complete(request.spec, options.audiences);
  const errors = validate(spec);
  if (errors.length > 0) throw invalid({ group: "authentication.k8s.io", kind: "TokenRequest" }, errors);
  const account = objects.get(ServiceAccounts, subject.namespace, subject.name);
  if (!account) throw notFound({ kind: "serviceaccounts", name: subject.name });
  const bound = boundClaims(options, subject, spec.boundObjectRef);
  const now = Math.floor(clock.now() / 1000);
  const extended = spec.expirationSeconds === warnOnlyExpiration && bound.pod && spec.audiences.every((a) => options.audiences.includes(a));
  const claims: TokenClaims = {
    aud: spec.audiences,
    exp: now + (extended ? extendedExpiration : spec.expirationSeconds),
    iat: now,
    iss: issuers[0] ?? "",
    jti: randomUUID(),
    "kubernetes.io": {
      namespace: subject.namespace,
      ...bound,
      serviceaccount: { name: subject.name, uid: account.metadata.uid },
      ...(extended ? { warnafter: now + spec.expirationSeconds } : {}),
    },
    nbf: now,
    sub: serviceAccountUser(subject.namespace, subject.name),
  };
  const { key, id, algorithm } = keys.signing;
  const token = await new SignJWT({ ...claims }).setProtectedHeader({ alg: algorithm, kid: id }).sign(key);
  currentAudit()?.annotate("authentication.kubernetes.io/issued-credential-id", `JTI=${claims.jti}`);
  const expirationTimestamp = new Date((now + spec.expirationSeconds) * 1000).toISOString().replace(".000Z", "Z");
  return { ...request, spec, status: { token, expirationTimestamp } };
}

type CompleteSpec = TokenRequestSpec & { audiences: string[]; expirationSeconds: number };

function complete(spec: TokenRequestSpec | undefined, audiences: readonly string[]): CompleteSpec {
  const asked = spec?.audiences ?? [];
  return { ...spec, audiences: asked.length > 0 ? asked : [...audiences], expirationSeconds: spec?.expirationSeconds ?? 3600 };
}

function validate({ expirationSeconds }: CompleteSpec): FieldError[] {
  const error = (message: string): FieldError[] => [
    { reason: "FieldValueInvalid", field: "spec.expirationSeconds", message: `Invalid value: ${expirationSeconds}: ${message}` },
  ];
  if (expirationSeconds < 600) return error("may not specify a duration less than 10 minutes");
  if (expirationSeconds > 2 ** 32) return error("may not specify a duration larger than 2^32 seconds");
  return [];
}

function boundClaims(
  { objects }: ServiceAccountTokenOptions,
  subject: TokenSubject,
  ref: BoundObjectReference | undefined,
): Pick<PrivateClaims, "pod" | "node" | "secret"> {
  if (!ref) return {};
  const name = ref.name ?? "";
  switch (`${ref.apiVersion}/${ref.kind}`) {
    case "v1/Pod": {
      const pod = checked(objects.get(Pods, subject.namespace, name), ref, "pods");
      if ((pod.spec.serviceAccountName ?? "default") !== subject.name)
        throw badRequest(`cannot bind token for serviceaccount "${subject.name}" to pod running with different serviceaccount name.`);
      const node = pod.spec.nodeName ? objects.get(Nodes, undefined, pod.spec.nodeName) : undefined;
      const claimed = pod.spec.nodeName ? { node: { name: pod.spec.nodeName, uid: node?.metadata.uid ?? "" } } : {};
      return { ...claimed, pod: claimOf(pod.metadata) };
    }
    case "v1/Node":
      return { node: claimOf(checked(objects.get(Nodes, undefined, name), ref, "nodes").metadata) };
    case "v1/Secret":
      return { secret: claimOf(checked(objects.get(Secrets, subject.namespace, name), ref, "secrets").metadata) };
    default:
      throw badRequest(`cannot bind token for serviceaccount "${subject.name}" to type "${ref.apiVersion}, Kind=${ref.kind}"`);
  }
}

function claimOf({ name, uid }: ClaimedObject): ClaimedObject {
  return { name, uid };
}

function checked<T extends { metadata: ClaimedObject }>(object: T | undefined, ref: BoundObjectReference, plural: string): T {
  if (!object) throw notFound({ kind: plural, name: ref.name });
  if (ref.uid && ref.uid !== object.metadata.uid) {
    const why = `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`;
    throw conflict({ kind: ref.kind ?? "", name: ref.name }, why);
  }
  return object;
}
