import { timingSafeEqual } from "node:crypto";
import type { Secret } from "../../api/types/core.v1.ts";
import { Secrets } from "../../api/types/resources.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Objects } from "../objects.ts";
import type { TokenAuthenticator } from "./bearer-token.ts";

const shape = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const groupShape = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

/**
 * Bootstrap tokens ("abcdef.0123456789abcdef"), Secrets of type bootstrap.kubernetes.io/token in kube-system by which a node joins.
 * See "Authenticating with Bootstrap Tokens".
 */
export function bootstrapTokens(objects: Objects, clock: Clock, audiences: readonly string[]): TokenAuthenticator {
  return {
    name: "bootstrap-token",
    authenticateToken(token, asked) {
      const [, id, secret] = shape.exec(token) ?? [];
      if (id === undefined || secret === undefined) return undefined;
      const stored = objects.get(Secrets, "kube-system", `bootstrap-token-${id}`);
      const groups = stored && groupsOf(stored, id, secret, clock.now());
      return groups && { user: { name: `system:bootstrap:${id}`, groups }, audiences: asked.filter((a) => audiences.includes(a)) };
    },
  };
}

/** The groups of the token's user; undefined when the Secret does not vouch for it. */
function groupsOf(stored: Secret, id: string, secret: string, now: number): string[] | undefined {
  const value = (name: string): string => Buffer.from(stored.data?.[name] ?? "", "base64").toString();
  const expected = Buffer.from(value("token-secret"));
  const given = Buffer.from(secret);
  if (stored.type !== "bootstrap.kubernetes.io/token" || stored.metadata.deletionTimestamp) return undefined;
  if (expected.length !== given.length || !timingSafeEqual(expected, given) || value("token-id") !== id) return undefined;
  const expiration = value("expiration");
  // An expiration that cannot be read counts as passed.
  if (expiration && !(Date.parse(expiration) > now)) return undefined;
  if (value("usage-bootstrap-authentication") !== "true") return undefined;
  const extra = value("auth-extra-groups").split(",").filter(Boolean);
  return extra.every((group) => groupShape.test(group)) ? ["system:bootstrappers", ...extra] : undefined;
}
