import { X509Certificate } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { unauthorized } from "../../api/errors.ts";
import type { UserInfo } from "../../api/user.ts";
import { BoundedMap } from "../../lib/bounded-map.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Authenticator } from "./authenticator.ts";
import { fingerprintOf, isSignedBy, parseAuthorities, subjectOf } from "./authorities.ts";
import { extraOf, headerValues } from "./identity-headers.ts";

/**
 * A front proxy that has authenticated its client and says who it is by X-Remote-User, X-Remote-Group, X-Remote-Uid and
 * X-Remote-Extra-*. Believed only from a certificate of the front proxy's own authority, with one of the allowed names.
 */
export function requestHeaders(options: { authorities: string; allowedNames: readonly string[]; clock: Clock }): Authenticator {
  const authorities = parseAuthorities(options.authorities);
  const proxies = new BoundedMap<string, { trusted: boolean; to: number }>(1_000);
  const isProxy = (der: Buffer): boolean => {
    const fingerprint = fingerprintOf(der);
    let entry = proxies.get(fingerprint);
    if (!entry) {
      const certificate = new X509Certificate(der);
      const named = options.allowedNames.length === 0 || options.allowedNames.includes(subjectOf(certificate).commonName);
      entry = { trusted: named && isSignedBy(certificate, authorities), to: Date.parse(certificate.validTo) };
      proxies.set(fingerprint, entry);
    }
    return entry.trusted && options.clock.now() <= entry.to;
  };
  return {
    name: "request-header",
    authenticate({ headers, clientCertificate }) {
      if (!clientCertificate || !isProxy(clientCertificate)) return undefined;
      const user = userOf(headers);
      if (!user) throw unauthorized();
      return user;
    },
  };
}

function userOf(headers: IncomingHttpHeaders): UserInfo | undefined {
  const name = headers["x-remote-user"]?.toString();
  if (!name) return undefined;
  const extra = extraOf(headers, "x-remote-extra-");
  const uid = headers["x-remote-uid"]?.toString();
  return { name, groups: headerValues(headers["x-remote-group"]), ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) };
}
