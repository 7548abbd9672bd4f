import type { Authenticator } from "./authenticator.ts";

/**
 * Requests without credentials: they may do what roles grant to system:unauthenticated (/version, /healthz, ...). With paths: for these
 * only (KEP-4633).
 */
export function anonymous(paths: readonly string[] = []): Authenticator {
  const user = { name: "system:anonymous", groups: ["system:unauthenticated"] };
  return {
    name: "anonymous",
    authenticate: ({ path = "" }) => (paths.length === 0 || paths.includes(path) ? user : undefined),
  };
}
