import { X509Certificate } from "node:crypto";
import { unauthorized } from "../../api/errors.ts";
import type { UserInfo } from "../../api/user.ts";
import type { Clock } from "../../lib/clock.ts";
import { BoundedMap } from "../../lib/bounded-map.ts";
import type { Authenticator } from "./authenticator.ts";
import { fingerprintOf, isSignedBy, parseAuthorities, subjectOf } from "./authorities.ts";

/**
 * The user that a client certificate names: the common name, with the organisations as groups. Certificates of other authorities
 * (the front proxy's) are not of its kind. A certificate is parsed once and known by its fingerprint afterwards.
 */
export function clientCertificates(options: { authorities: string; clock: Clock }): Authenticator {
  const authorities = parseAuthorities(options.authorities);
  const known = new BoundedMap<string, { user: UserInfo | undefined; from: number; to: number }>(10_000);
  return {
    name: "x509",
    authenticate({ clientCertificate }) {
      if (!clientCertificate) return undefined;
      const fingerprint = fingerprintOf(clientCertificate);
      let entry = known.get(fingerprint);
      if (!entry) known.set(fingerprint, (entry = read(clientCertificate, fingerprint, authorities)));
      const now = options.clock.now();
      if (entry.user && (now < entry.from || now > entry.to)) throw unauthorized("x509: certificate has expired or is not yet valid");
      return entry.user;
    },
  };
}

function read(der: Buffer, fingerprint: string, authorities: readonly X509Certificate[]) {
  const certificate = new X509Certificate(der);
  const from = Date.parse(certificate.validFrom);
  const to = Date.parse(certificate.validTo);
  const { commonName, organizations } = subjectOf(certificate);
  if (!commonName || !isSignedBy(certificate, authorities)) return { user: undefined, from, to };
  const extra = { "authentication.kubernetes.io/credential-id": [`X509SHA256=${fingerprint}`] };
  return { user: { name: commonName, groups: organizations, extra }, from, to };
}
