/** An object that a token names, with the uid that tells it from a later one of the same name. */
export interface ClaimedObject {
  name: string;
  uid: string;
}

/** What the cluster's own tokens say beside the registered claims: the claim "kubernetes.io" (KEP-1205, KEP-4193). */
export interface PrivateClaims {
  namespace: string;
  serviceaccount: ClaimedObject;
  pod?: ClaimedObject;
  secret?: ClaimedObject;
  node?: ClaimedObject;
  /** Seconds since 1970 from when on a use is counted as stale. */
  warnafter?: number;
}

/** All claims of a token. Times in seconds since 1970. */
export interface TokenClaims {
  aud: string[];
  exp: number;
  iat: number;
  nbf: number;
  iss: string;
  jti: string;
  sub: string;
  "kubernetes.io": PrivateClaims;
}

/** The user name of a service account. */
export function serviceAccountUser(namespace: string, name: string): string {
  return `system:serviceaccount:${namespace}:${name}`;
}

/** The groups that every service account of the namespace is in. */
export function serviceAccountGroups(namespace: string): string[] {
  return ["system:serviceaccounts", `system:serviceaccounts:${namespace}`];
}

/** The namespace and name in a service account's user name; undefined for other users. */
export function serviceAccountOf(user: string): { namespace: string; name: string } | undefined {
  const [system, kind, namespace, name, ...rest] = user.split(":");
  if (system !== "system" || kind !== "serviceaccount" || !namespace || !name || rest.length > 0) return undefined;
  return { namespace, name };
}
