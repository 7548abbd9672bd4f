import { readFile } from "node:fs/promises";
import type { TokenAuthenticator } from "../apiserver/authentication/bearer-token.ts";
import type { JwtSettings } from "../apiserver/authentication/configuration.ts";
import type { AuthorizerSettings } from "../apiserver/authorization/configuration.ts";
import type { AuthorizationChain } from "../apiserver/authorization/index.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import type { AccessConfig, OidcConfig } from "./access-config.ts";
import { type AdmissionChoice, loadAdmission } from "./admission-config.ts";

/** What flags and files add to authentication, authorisation and admission. */
export interface Access {
  tokens: readonly TokenAuthenticator[];
  anonymous: boolean | readonly string[];
  authorizers: AuthorizationChain | undefined;
  admission: AdmissionChoice;
  close(): Promise<void>;
}

/** What loading needs. */
export interface AccessParts {
  clock: Clock;
  log: Logger;
  /** The issuers of service account tokens, which are the API's audiences too. */
  issuers: readonly string[];
}

/** Reads what the flags name. What is not asked for is not loaded. Rejects with an Error that names the flag. */
export async function loadAccess(config: AccessConfig, parts: AccessParts): Promise<Access> {
  const closing: (() => Promise<void> | void)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closing) await end();
  };
  try {
    const { tokens, anonymous } = await authentication(config, parts, closing);
    const chain = await authorizers(config, parts, closing);
    const admission = await loadAdmission(config.admission, { ...parts, closing });
    return { tokens, anonymous: anonymous ?? config.anonymousAuth ?? true, authorizers: chain, admission, close };
  } catch (error) {
    await close();
    throw error;
  }
}

type Closing = (() => Promise<void> | void)[];

async function authentication(
  config: AccessConfig,
  { clock, log, issuers }: AccessParts,
  closing: Closing,
): Promise<{ tokens: TokenAuthenticator[]; anonymous?: boolean | readonly string[] }> {
  const tokens: TokenAuthenticator[] = [];
  let anonymous: boolean | readonly string[] | undefined;
  if (config.authenticationConfig || config.oidc) {
    const { authenticationConfiguration } = await import("../apiserver/authentication/configuration.ts");
    const { jwtTokens } = await import("../apiserver/authentication/jwt/tokens.ts");
    const { jwt, ...settings } = config.oidc
      ? { jwt: [await oidcSettings(config.oidc, issuers)] }
      : await inFile("authentication-config", config.authenticationConfig, (text) => authenticationConfiguration(text, issuers));
    const flag = config.oidc ? "--oidc-*" : `--authentication-config: ${config.authenticationConfig}`;
    const algorithms = config.oidc?.signingAlgorithms ?? ["RS256"];
    for (const [index, one] of jwt.entries()) {
      const at = config.oidc ? "oidc" : `jwt[${index}]`;
      const { kind, close } = naming(flag, () => jwtTokens({ settings: one, at, algorithms, audiences: issuers, clock }));
      tokens.push(kind);
      closing.push(close);
    }
    if ("anonymous" in settings && settings.anonymous) {
      if (config.anonymousAuth !== undefined)
        throw new Error("--anonymous-auth cannot be given together with an --authentication-config that speaks of anonymous");
      anonymous = settings.anonymous.enabled && settings.anonymous.paths.length > 0 ? settings.anonymous.paths : settings.anonymous.enabled;
    }
  }
  if (config.tokenWebhook) {
    const { configFile, ...webhook } = config.tokenWebhook;
    const { tokenWebhook } = await import("../apiserver/authentication/token-webhook.ts");
    const service = await remote("authentication-token-webhook-config-file", configFile, { clock });
    closing.push(() => service.close());
    tokens.push(tokenWebhook({ ...webhook, service, audiences: issuers, clock, log }));
  }
  return anonymous === undefined ? { tokens } : { tokens, anonymous };
}

/** The flags as an entry of an AuthenticationConfiguration. */
async function oidcSettings(oidc: OidcConfig, issuers: readonly string[]): Promise<JwtSettings> {
  const { checkJwt } = await import("../apiserver/authentication/configuration.ts");
  const { issuerURL, clientID, usernameClaim, groupsClaim, groupsPrefix, caFile } = oidc;
  const prefix = oidc.usernamePrefix ?? (usernameClaim === "email" ? "" : `${issuerURL}#`);
  const settings: JwtSettings = {
    issuer: {
      url: issuerURL,
      audiences: [clientID],
      ...(caFile ? { certificateAuthority: await inFile("oidc-ca-file", caFile, (text) => text) } : {}),
    },
    claimMappings: {
      username: { claim: usernameClaim, prefix: prefix === "-" ? "" : prefix },
      ...(groupsClaim ? { groups: { claim: groupsClaim, prefix: groupsPrefix } } : {}),
    },
    claimValidationRules: oidc.requiredClaims.map((pair) => {
      const at = pair.indexOf("=");
      return { claim: pair.slice(0, at), requiredValue: pair.slice(at + 1) };
    }),
  };
  naming("--oidc-issuer-url", () => checkJwt(settings, "oidc", issuers));
  return settings;
}

async function authorizers(config: AccessConfig, { clock, log }: AccessParts, closing: Closing): Promise<AuthorizationChain | undefined> {
  const settings = await authorizerSettings(config);
  if (!settings) return undefined;
  const { alwaysAllow, alwaysDeny } = await import("../apiserver/authorization/always.ts");
  const chain: AuthorizationChain[number][] = [];
  for (const { type, webhook } of settings) {
    if (type === "Node" || type === "RBAC") chain.push(type);
    else if (type === "AlwaysAllow") chain.push(alwaysAllow);
    else if (type === "AlwaysDeny") chain.push(alwaysDeny);
    else if (type === "ABAC") {
      const { abacAuthorizer } = await import("../apiserver/authorization/abac.ts");
      chain.push(await inFile("authorization-policy-file", config.authorizationPolicyFile, abacAuthorizer));
    } else if (webhook) {
      const flag = config.authorizationConfig ? "authorization-config" : "authorization-webhook-config-file";
      const { webhookAuthorizer } = await import("../apiserver/authorization/webhook.ts");
      const service = await remote(flag, webhook.kubeconfig, { clock, timeout: webhook.timeout });
      closing.push(() => service.close());
      chain.push(naming(`--${flag}: ${webhook.name}`, () => webhookAuthorizer({ ...webhook, service, clock, log })));
    }
  }
  return chain;
}

/** From the file, else from the flags; undefined when neither says anything. */
async function authorizerSettings(config: AccessConfig): Promise<AuthorizerSettings[] | undefined> {
  const { authorizationModes: modes, authorizationWebhook: webhook } = config;
  if (config.authorizationConfig) {
    const { authorizationConfiguration } = await import("../apiserver/authorization/configuration.ts");
    return inFile("authorization-config", config.authorizationConfig, authorizationConfiguration);
  }
  if (modes.length === 0) return undefined;
  return modes.map((type) => {
    if (type !== "Webhook" || !webhook) return { type };
    const { configFile: kubeconfig, ...rest } = webhook;
    return { type, webhook: { ...rest, kubeconfig, name: "default", timeout: 30_000, onError: "no-opinion", matchConditions: [] } };
  });
}

async function remote(flag: string, path: string, options: { clock: Clock; timeout?: number }) {
  const { remoteService } = await import("../apiserver/backends/remote-service.ts");
  return remoteService(path, options).catch((error: Error) => {
    throw new Error(`--${flag}: ${error.message}`);
  });
}

/** What a flag's file holds. Rejects with an Error that names flag and file. */
async function inFile<T>(flag: string, path: string, read: (text: string) => T): Promise<T> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new Error(`--${flag}: ${path} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
  return naming(`--${flag}: ${path}`, () => read(text));
}

/** What goes wrong with it is told with a name before it. */
function naming<T>(name: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new Error(`${name}: ${error instanceof Error ? error.message : error}`);
  }
}
