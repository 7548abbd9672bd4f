import type { Authenticator } from "./authenticator.ts";

/** Requests without credentials: they may do what roles grant to system:unauthenticated (/version, /healthz, ...). */
export const anonymous: Authenticator = {
  name: "anonymous",
  authenticate: () => ({ name: "system:anonymous", groups: ["system:unauthenticated"] }),
};
