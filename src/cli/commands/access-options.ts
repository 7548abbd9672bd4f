import { resolve } from "node:path";
import { parseDuration } from "../../api/meta/time.ts";
import { type AccessConfig, authorizationModes, type OidcConfig } from "../../server/access-config.ts";
import type { Option, OptionValues } from "../options.ts";
import { UsageError } from "../usage-error.ts";
import { list, text } from "./node-options.ts";

const file = (flag: string, description: string): Option => ({ flag, type: "string", value: "FILE", description });
const value = (flag: string, description: string, fallback?: string): Option => ({
  ...{ flag, type: "string", value: "TEXT", description },
  ...(fallback === undefined ? {} : { default: fallback }),
});

/** Who may do what: the flags of the API server in Kubernetes. */
export const accessOptions: readonly Option[] = [
  {
    flag: "anonymous-auth",
    type: "string",
    value: "BOOL",
    description: "Whether requests without credentials are let in as system:anonymous (default: true)",
  },
  file("authentication-config", "AuthenticationConfiguration: issuers of JSON web tokens, and which paths anonymous requests may ask for"),
  value("oidc-issuer-url", "OpenID Connect issuer whose tokens are believed; https only"),
  value("oidc-client-id", "Audience that such tokens must be for"),
  value("oidc-username-claim", "Claim that names the user", "sub"),
  value(
    "oidc-username-prefix",
    'Put before the user\'s name; "-" for nothing (default: the issuer\'s URL and "#", unless the claim is email)',
  ),
  value("oidc-groups-claim", "Claim that names the user's groups"),
  value("oidc-groups-prefix", "Put before each group's name"),
  { flag: "oidc-required-claim", type: "list", value: "CLAIM=VALUE", description: "Claim that tokens must have; may be repeated" },
  file("oidc-ca-file", "Authorities of the issuer's certificate (default: those that the machine trusts)"),
  { flag: "oidc-signing-algs", type: "list", value: "ALG", description: "Algorithms that tokens may be signed with (default: RS256)" },
  file("authentication-token-webhook-config-file", "Kubeconfig of a server that knows tokens"),
  value("authentication-token-webhook-cache-ttl", "How long its answers are kept", "2m0s"),
  value("authentication-token-webhook-version", "Version of the TokenReviews sent to it: v1 or v1beta1", "v1beta1"),
  {
    flag: "authorization-mode",
    type: "list",
    value: "MODE",
    description: `Who is asked, in this order, of ${authorizationModes.join(", ")} (default: Node,RBAC)`,
  },
  file("authorization-policy-file", "Policies for mode ABAC, one in JSON a line"),
  file("authorization-webhook-config-file", "Kubeconfig of the server for mode Webhook"),
  value("authorization-webhook-version", "Version of the SubjectAccessReviews sent to it: v1 or v1beta1", "v1beta1"),
  value("authorization-webhook-cache-authorized-ttl", "How long its answers that allow are kept", "5m0s"),
  value("authorization-webhook-cache-unauthorized-ttl", "How long its other answers are kept", "30s"),
  file("authorization-config", "AuthorizationConfiguration, in the place of the flags for authorization"),
  { flag: "enable-admission-plugins", type: "list", value: "NAME", description: "Admission plugins to run beside those that always do" },
  { flag: "disable-admission-plugins", type: "list", value: "NAME", description: "Admission plugins not to run" },
  file("admission-control-config-file", "AdmissionConfiguration: PodSecurity, EventRateLimit, PodNodeSelector, ..."),
];

/** Reads these options. Throws UsageError, naming the flag. */
export function accessConfig(options: OptionValues): AccessConfig {
  const anonymous = text(options, "anonymous-auth");
  if (anonymous && anonymous !== "true" && anonymous !== "false")
    throw new UsageError(`--anonymous-auth: "${anonymous}" is neither true nor false`);
  const authenticationConfig = path(options, "authentication-config");
  const oidc = oidcConfig(options);
  if (authenticationConfig && oidc) throw new UsageError("--authentication-config and --oidc-issuer-url cannot be given together");
  const tokens = path(options, "authentication-token-webhook-config-file");
  return {
    ...(anonymous ? { anonymousAuth: anonymous === "true" } : {}),
    authenticationConfig,
    ...(oidc ? { oidc } : {}),
    ...(tokens
      ? {
          tokenWebhook: {
            configFile: tokens,
            cacheTTL: duration(options, "authentication-token-webhook-cache-ttl"),
            version: version(options, "authentication-token-webhook-version"),
          },
        }
      : {}),
    ...authorizationConfig(options),
    admission: {
      enable: list(options, "enable-admission-plugins"),
      disable: list(options, "disable-admission-plugins"),
      configFile: path(options, "admission-control-config-file"),
    },
  };
}

function oidcConfig(options: OptionValues): OidcConfig | undefined {
  const issuerURL = text(options, "oidc-issuer-url");
  const clientID = text(options, "oidc-client-id");
  if (!issuerURL && !clientID) return undefined;
  if (!issuerURL || !clientID) throw new UsageError("--oidc-issuer-url and --oidc-client-id must be given together");
  const requiredClaims = list(options, "oidc-required-claim");
  for (const claim of requiredClaims)
    if (!/^[^=]+=/.test(claim)) throw new UsageError(`--oidc-required-claim: "${claim}" must be CLAIM=VALUE`);
  const algorithms = list(options, "oidc-signing-algs");
  for (const one of algorithms)
    if (!/^(RS|ES|PS)(256|384|512)$/.test(one))
      throw new UsageError(`--oidc-signing-algs: "${one}" must be one of RS, ES or PS with 256, 384 or 512`);
  const usernamePrefix = options["oidc-username-prefix"];
  return {
    issuerURL,
    clientID,
    usernameClaim: text(options, "oidc-username-claim"),
    ...(usernamePrefix === undefined ? {} : { usernamePrefix: String(usernamePrefix) }),
    groupsClaim: text(options, "oidc-groups-claim"),
    groupsPrefix: text(options, "oidc-groups-prefix"),
    requiredClaims,
    caFile: path(options, "oidc-ca-file"),
    signingAlgorithms: algorithms.length > 0 ? algorithms : ["RS256"],
  };
}

function authorizationConfig(
  options: OptionValues,
): Pick<AccessConfig, "authorizationModes" | "authorizationPolicyFile" | "authorizationConfig" | "authorizationWebhook"> {
  const given = list(options, "authorization-mode");
  const modes = given.flatMap((mode) => authorizationModes.find((known) => known === mode) ?? []);
  const unknown = given.find((mode) => !authorizationModes.some((known) => known === mode));
  if (unknown !== undefined)
    throw new UsageError(`--authorization-mode: "${unknown}" is not a valid mode; known are ${authorizationModes.join(", ")}`);
  if (new Set(modes).size < modes.length) throw new UsageError("--authorization-mode: a mode is given twice");
  const policyFile = path(options, "authorization-policy-file");
  const webhook = path(options, "authorization-webhook-config-file");
  const whole = path(options, "authorization-config");
  if (whole && (given.length > 0 || policyFile || webhook))
    throw new UsageError(
      "--authorization-config cannot be given together with --authorization-mode, --authorization-policy-file or --authorization-webhook-config-file",
    );
  const pairs: [boolean, string, string][] = [
    [modes.includes("ABAC"), policyFile, "--authorization-mode ABAC and --authorization-policy-file"],
    [modes.includes("Webhook"), webhook, "--authorization-mode Webhook and --authorization-webhook-config-file"],
  ];
  for (const [mode, needed, both] of pairs) if (mode !== (needed !== "")) throw new UsageError(`${both} need each other`);
  if (!webhook) return { authorizationModes: modes, authorizationPolicyFile: policyFile, authorizationConfig: whole };
  return {
    authorizationModes: modes,
    authorizationPolicyFile: policyFile,
    authorizationConfig: whole,
    authorizationWebhook: {
      configFile: webhook,
      version: version(options, "authorization-webhook-version"),
      authorizedTTL: duration(options, "authorization-webhook-cache-authorized-ttl"),
      unauthorizedTTL: duration(options, "authorization-webhook-cache-unauthorized-ttl"),
    },
  };
}

function path(options: OptionValues, flag: string): string {
  const given = text(options, flag);
  return given && resolve(given);
}

function duration(options: OptionValues, flag: string): number {
  const milliseconds = parseDuration(text(options, flag));
  if (milliseconds === undefined || milliseconds < 0)
    throw new UsageError(`--${flag}: "${text(options, flag)}" is not a time such as 30s or 2m`);
  return milliseconds;
}

function version(options: OptionValues, flag: string): "v1" | "v1beta1" {
  const given = text(options, flag);
  if (given === "v1" || given === "v1beta1") return given;
  throw new UsageError(`--${flag}: "${given}" must be v1 or v1beta1`);
}
