import { readFile } from "node:fs/promises";
import { deepEqual } from "../api/meta/equality.ts";
import type { TokenAuthenticator } from "../apiserver/authentication/bearer-token.ts";
import type { AuthenticationSettings, JwtSettings } from "../apiserver/authentication/configuration.ts";
import type { AuthorizerSettings } from "../apiserver/authorization/configuration.ts";
import type { AuthorizationChain } from "../apiserver/authorization/index.ts";
import type { FollowedFile } from "../apiserver/configuration/followed-file.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import type { AccessConfig, OidcConfig } from "./access-config.ts";
import { type AdmissionChoice, loadAdmission } from "./admission-config.ts";

/** What flags and files add to authentication, authorisation and admission. */
export interface Access {
  tokens: readonly TokenAuthenticator[];
  anonymous: boolean | readonly string[];
  authorizers: AuthorizationChain | undefined;
  /** Whether an authoriser may have to be waited for, now or after a change. */
  mayWait: boolean;
  /** Calls when the file of authorisation has changed. */
  onAuthorizers(use: (chain: AuthorizationChain) => void): void;
  admission: AdmissionChoice;
  /** Families for /metrics. */
  metrics(): string[];
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
  const closing: Closing = [];
  const close = async (): Promise<void> => {
    for (const end of closing) await end();
  };
  const files: FollowedFile[] = [];
  const loading: Loading = { ...parts, closing, files };
  let use = (_: AuthorizationChain): void => {};
  try {
    const { tokens, anonymous } = await authentication(config, loading);
    const chain = await authorizers(config, loading, (next) => use(next));
    const admission = await loadAdmission(config.admission, loading);
    return {
      tokens,
      anonymous: anonymous ?? config.anonymousAuth ?? true,
      authorizers: chain,
      mayWait: config.authorizationConfig !== "" || config.authorizationModes.includes("Webhook"),
      onAuthorizers: (handler) => (use = handler),
      admission,
      metrics: () => files.flatMap((file) => file.metrics()),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

type Closing = (() => Promise<void> | void)[];

/** What loading gathers on its way: what has to be closed in the end, and the files that are followed. */
interface Loading extends AccessParts {
  closing: Closing;
  files: FollowedFile[];
}

/** So long, in milliseconds, those may still be answered who were asked before a file changed. */
const linger = 60_000;

async function authentication(
  config: AccessConfig,
  loading: Loading,
): Promise<{ tokens: TokenAuthenticator[]; anonymous?: boolean | readonly string[] }> {
  const { clock, log, issuers, closing } = loading;
  const tokens: TokenAuthenticator[] = [];
  let anonymous: AuthenticationSettings["anonymous"];
  if (config.oidc) {
    const from = { flag: "--oidc-*", at: "oidc", algorithms: config.oidc.signingAlgorithms };
    const { kinds, close } = await tokensOf([await oidcSettings(config.oidc, issuers)], from, loading);
    tokens.push(...kinds);
    closing.push(close);
  } else if (config.authenticationConfig) {
    const inFile = await followAuthentication(config, loading);
    tokens.push(inFile.tokens);
    anonymous = inFile.anonymous;
  }
  if (config.tokenWebhook) {
    const { configFile, ...webhook } = config.tokenWebhook;
    const { tokenWebhook } = await import("../apiserver/authentication/token-webhook.ts");
    const service = await remote("authentication-token-webhook-config-file", configFile, { clock });
    closing.push(() => service.close());
    tokens.push(tokenWebhook({ ...webhook, service, audiences: issuers, clock, log }));
  }
  return anonymous
    ? { tokens, anonymous: anonymous.enabled && anonymous.paths.length > 0 ? anonymous.paths : anonymous.enabled }
    : { tokens };
}

/** The issuers in an --authentication-config file, which are others when the file has changed; who is anonymous stays. */
async function followAuthentication(
  { authenticationConfig: path, anonymousAuth }: AccessConfig,
  loading: Loading,
): Promise<{ tokens: TokenAuthenticator; anonymous: AuthenticationSettings["anonymous"] }> {
  const { authenticationConfiguration } = await import("../apiserver/authentication/configuration.ts");
  const { changingTokens } = await import("../apiserver/authentication/bearer-token.ts");
  const flag = `--authentication-config: ${path}`;
  const read = (text: string): AuthenticationSettings => naming(flag, () => authenticationConfiguration(text, loading.issuers));
  const make = ({ jwt }: AuthenticationSettings) => tokensOf(jwt, { flag, algorithms: ["RS256"] }, loading);
  const text = await inFile("authentication-config", path, (content) => content);
  const { anonymous, ...settings } = read(text);
  if (anonymous && anonymousAuth !== undefined)
    throw new Error("--anonymous-auth cannot be given together with an --authentication-config that speaks of anonymous");
  let current = await make(settings);
  await follow(loading, { of: "authentication", path, text }, async (changed) => {
    const next = read(changed);
    if (!deepEqual(next.anonymous, anonymous)) throw new Error(`${flag}: anonymous: Forbidden: changed from initial configuration file`);
    const old = current;
    current = await make(next);
    loading.clock.after(linger, () => void old.close());
  });
  loading.closing.push(() => current.close());
  return { tokens: changingTokens(() => current.kinds), anonymous };
}

/** The issuers of those settings at work; `at`: how errors name a setting, by default by its place. */
async function tokensOf(
  jwt: readonly JwtSettings[],
  { flag, at, algorithms }: { flag: string; at?: string; algorithms: readonly string[] },
  { clock, issuers }: AccessParts,
): Promise<{ kinds: TokenAuthenticator[]; close(): Promise<void> }> {
  const { jwtTokens } = await import("../apiserver/authentication/jwt/tokens.ts");
  const made = jwt.map((settings, index) =>
    naming(flag, () => jwtTokens({ settings, at: at ?? `jwt[${index}]`, algorithms, audiences: issuers, clock })),
  );
  return {
    kinds: made.map(({ kind }) => kind),
    async close() {
      for (const { close } of made) await close();
    },
  };
}

/** Has changes of a file taken over from now on. */
async function follow(
  { clock, log, closing, files }: Loading,
  { text, ...file }: { of: "authentication" | "authorization"; path: string; text: string },
  takeOver: (text: string) => Promise<void>,
): Promise<void> {
  const { FollowedFile } = await import("../apiserver/configuration/followed-file.ts");
  const followed = new FollowedFile({ ...file, clock, log }, text);
  followed.follow(takeOver);
  files.push(followed);
  closing.push(() => followed.close());
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

/** From the file, else from the flags; undefined when neither says anything. `use` is told of the file's changes. */
async function authorizers(
  config: AccessConfig,
  loading: Loading,
  use: (chain: AuthorizationChain) => void,
): Promise<AuthorizationChain | undefined> {
  const { authorizationModes: modes, authorizationWebhook: webhook, authorizationConfig: path } = config;
  if (path) return followAuthorization(config, loading, use);
  if (modes.length === 0) return undefined;
  const settings = modes.map((type): AuthorizerSettings => {
    if (type !== "Webhook" || !webhook) return { type };
    const { configFile: kubeconfig, ...rest } = webhook;
    return { type, webhook: { ...rest, kubeconfig, name: "default", timeout: 30_000, onError: "no-opinion", matchConditions: [] } };
  });
  const { chain, close } = await chainOf(settings, config, loading);
  loading.closing.push(close);
  return chain;
}

/** Those that follow the cluster's objects, or have a file of their own, are there from the start or never, as upstream. */
const fromTheStart: readonly string[] = ["Node", "RBAC", "ABAC"];

async function followAuthorization(
  config: AccessConfig,
  loading: Loading,
  use: (chain: AuthorizationChain) => void,
): Promise<AuthorizationChain> {
  const { authorizationConfig: path } = config;
  const { authorizationConfiguration } = await import("../apiserver/authorization/configuration.ts");
  const flag = `--authorization-config: ${path}`;
  const read = (text: string): AuthorizerSettings[] => naming(flag, () => authorizationConfiguration(text));
  const text = await inFile("authorization-config", path, (content) => content);
  const settings = read(text);
  let current = await chainOf(settings, config, loading);
  await follow(loading, { of: "authorization", path, text }, async (changed) => {
    const next = read(changed);
    const late = next.find(({ type }) => fromTheStart.includes(type) && settings.every((one) => one.type !== type));
    if (late) throw new Error(`${flag}: authorizer type ${late.type} is not allowed if it was not enabled at initial server startup`);
    const old = current;
    current = await chainOf(next, config, loading);
    use(current.chain);
    loading.clock.after(linger, old.close);
  });
  loading.closing.push(() => current.close());
  return current.chain;
}

async function chainOf(
  settings: readonly AuthorizerSettings[],
  config: AccessConfig,
  { clock, log }: AccessParts,
): Promise<{ chain: AuthorizationChain; close(): void }> {
  const { alwaysAllow, alwaysDeny } = await import("../apiserver/authorization/always.ts");
  const chain: AuthorizationChain[number][] = [];
  const services: { close(): void }[] = [];
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
      services.push(service);
      chain.push(naming(`--${flag}: ${webhook.name}`, () => webhookAuthorizer({ ...webhook, service, clock, log })));
    }
  }
  return {
    chain,
    close() {
      for (const service of services) service.close();
    },
  };
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
