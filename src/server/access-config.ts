import type { AdmissionConfig } from "./admission-config.ts";
import type { AuthorizationMode } from "../apiserver/authorization/configuration.ts";

export { authorizationModes } from "../apiserver/authorization/configuration.ts";

/** Who may do what: what a server can be told. File names are paths, times milliseconds; "" and undefined: not given. */
export interface AccessConfig {
  /** --anonymous-auth */
  anonymousAuth?: boolean;
  authenticationConfig: string;
  /** The --oidc-* flags. */
  oidc?: OidcConfig;
  tokenWebhook?: { configFile: string; cacheTTL: number; version: "v1" | "v1beta1" };
  /** In their order; empty: the default. */
  authorizationModes: readonly AuthorizationMode[];
  authorizationPolicyFile: string;
  authorizationConfig: string;
  admission: AdmissionConfig;
  authorizationWebhook?: { configFile: string; authorizedTTL: number; unauthorizedTTL: number; version: "v1" | "v1beta1" };
}

/** One issuer of tokens, as flags tell of it. */
export interface OidcConfig {
  issuerURL: string;
  clientID: string;
  usernameClaim: string;
  /** undefined: the issuer's URL and "#", but for claim email; "-": none. */
  usernamePrefix?: string;
  groupsClaim: string;
  groupsPrefix: string;
  /** claim=value */
  requiredClaims: readonly string[];
  caFile: string;
  signingAlgorithms: readonly string[];
}

/** What holds without any flag. */
export const accessDefaults: AccessConfig = {
  authenticationConfig: "",
  authorizationModes: [],
  authorizationPolicyFile: "",
  authorizationConfig: "",
  admission: { enable: [], disable: [], configFile: "" },
};
