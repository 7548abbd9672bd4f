import type { IncomingHttpHeaders } from "node:http";
import type { UserInfo } from "../../api/user.ts";

/** What a request brings along to say who sends it. */
export interface Credentials {
  headers: IncomingHttpHeaders;
  /** The client certificate in DER, when the TLS layer has verified it against the client authority. */
  clientCertificate: Buffer | undefined;
  /** Of the request, without its query. */
  path?: string;
}

/**
 * One way to authenticate: client certificate, service account token, bootstrap token, static token, front proxy.
 * Gives the user; undefined when the request carries nothing of its kind; throws unauthorized() when what it carries is wrong.
 */
export interface Authenticator {
  name: string;
  authenticate(credentials: Credentials): Promise<UserInfo | undefined> | UserInfo | undefined;
}
