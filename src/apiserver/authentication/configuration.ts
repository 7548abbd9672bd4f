import { boolean, list, object, oneOf, readConfiguration, text } from "../configuration/shape.ts";

const mapping = object({ claim: text, prefix: text, expression: text });
const authenticator = object({
  issuer: object({
    ...{ url: text, discoveryURL: text, certificateAuthority: text, audiences: list(text), audienceMatchPolicy: text },
    egressSelectorType: text,
  }),
  claimValidationRules: list(object({ claim: text, requiredValue: text, expression: text, message: text })),
  claimMappings: object({
    username: mapping,
    groups: mapping,
    uid: object({ claim: text, expression: text }),
    extra: list(object({ key: text, valueExpression: text })),
  }),
  userValidationRules: list(object({ expression: text, message: text })),
});
const kind = {
  versions: ["apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1", "apiserver.config.k8s.io/v1alpha1"],
  kind: "AuthenticationConfiguration",
  fields: { jwt: list(authenticator), anonymous: object({ enabled: boolean, conditions: list(object({ path: text })) }) },
};

/** An entry of `jwt` in an AuthenticationConfiguration (KEP-3331). */
export type JwtSettings = ReturnType<typeof authenticator.read>;
/** The part of a JwtSettings that says where a field of the user comes from. */
export type ClaimMapping = ReturnType<typeof mapping.read>;

/** What an --authentication-config file says. */
export interface AuthenticationSettings {
  jwt: readonly JwtSettings[];
  /** Undefined: the flag decides. No paths: all. */
  anonymous?: { enabled: boolean; paths: readonly string[] };
}

/** Reads an --authentication-config file. Throws an Error that names the field that is wrong; expressions are checked by jwtTokens. */
export function authenticationConfiguration(yaml: string, ownIssuers: readonly string[]): AuthenticationSettings {
  const { jwt = [], anonymous } = readConfiguration(yaml, kind);
  if (jwt.length > 64) throw new Error("jwt: must have at most 64 items");
  for (const [index, one] of jwt.entries()) checkJwt(one, `jwt[${index}]`, ownIssuers);
  for (const part of ["url", "discoveryURL"] as const) {
    const values = jwt.flatMap(({ issuer }) => issuer?.[part] || []);
    const twice = values.find((value, index) => values.indexOf(value) < index);
    if (twice !== undefined) throw new Error(`jwt[${values.lastIndexOf(twice)}].issuer.${part}: Duplicate value: "${twice}"`);
  }
  if (!anonymous) return { jwt };
  const { enabled = false, conditions = [] } = anonymous;
  if (!enabled && conditions.length > 0) throw new Error("anonymous.conditions: enabled should be set to true when conditions are defined");
  return { jwt, anonymous: { enabled, paths: conditions.map(({ path = "" }) => path) } };
}

/** Checks an entry, wherever it comes from. `at` names it, "" for flags. */
export function checkJwt(settings: JwtSettings, at: string, ownIssuers: readonly string[]): void {
  const { issuer = {}, claimMappings = {}, claimValidationRules = [] } = settings;
  checkIssuer(issuer, `${at}.issuer`, ownIssuers);
  const { username, groups, uid } = claimMappings;
  if (!username?.claim && !username?.expression)
    throw new Error(`${at}.claimMappings.username: Required value: claim or expression is required`);
  for (const [name, given] of Object.entries({ username, groups, uid })) {
    const where = `${at}.claimMappings.${name}`;
    if (given?.claim && given.expression) throw new Error(`${where}: claim and expression can't both be set`);
    if (name === "uid" || !given) continue;
    const { prefix } = given as ClaimMapping; // Only a uid has no prefix.
    if (given.expression && prefix !== undefined) throw new Error(`${where}.prefix: may not be specified when expression is set`);
    if (given.claim && prefix === undefined)
      throw new Error(
        `${where}.prefix: Required value: prefix is required when claim is set. It can be set to an empty string to disable prefixing`,
      );
  }
  for (const [index, { claim, requiredValue, expression, message }] of claimValidationRules.entries()) {
    const where = `${at}.claimValidationRules[${index}]`;
    if (!claim === !expression)
      throw new Error(`${where}: ${claim ? "claim and expression can't both be set" : "Required value: claim or expression is required"}`);
    if (claim && message) throw new Error(`${where}.message: may not be specified when claim is set`);
    if (expression && requiredValue) throw new Error(`${where}.requiredValue: may not be specified when expression is set`);
  }
  checkExtra(claimMappings.extra ?? [], `${at}.claimMappings.extra`);
  checkEmail(settings, at);
}

function checkIssuer(issuer: NonNullable<JwtSettings["issuer"]>, at: string, ownIssuers: readonly string[]): void {
  const { url = "", discoveryURL, audiences = [], audienceMatchPolicy, egressSelectorType } = issuer;
  if (!url) throw new Error(`${at}.url: Required value`);
  if (ownIssuers.includes(url))
    throw new Error(`${at}.url: "${url}": URL must not overlap with disallowed issuers: [${ownIssuers.join(" ")}]`);
  checkUrl(`${at}.url`, url);
  if (discoveryURL) checkUrl(`${at}.discoveryURL`, discoveryURL);
  if (discoveryURL && discoveryURL.replace(/\/+$/, "") === url.replace(/\/+$/, ""))
    throw new Error(`${at}.discoveryURL: "${discoveryURL}": discoveryURL must be different from URL`);
  if (audiences.length === 0 || audiences.includes(""))
    throw new Error(`${at}.audiences: Required value: at least one ${at}.audiences is required`);
  if (audiences.length > 1) oneOf(`${at}.audienceMatchPolicy`, audienceMatchPolicy, ["MatchAny"]);
  else if (audienceMatchPolicy) oneOf(`${at}.audienceMatchPolicy`, audienceMatchPolicy, ["MatchAny"]);
  if (egressSelectorType) throw new Error(`${at}.egressSelectorType: there are no egress selectors`);
}

function checkUrl(at: string, value: string): void {
  if (!URL.canParse(value)) throw new Error(`${at}: "${value}" is not a URL`);
  const { protocol, username, password, search, hash } = new URL(value);
  if (protocol !== "https:") throw new Error(`${at}: "${value}": URL scheme must be https`);
  if (username || password) throw new Error(`${at}: URL must not contain a username or password`);
  if (search) throw new Error(`${at}: "${value}": URL must not contain a query`);
  if (hash) throw new Error(`${at}: "${value}": URL must not contain a fragment`);
}

function checkExtra(extra: readonly { key?: string; valueExpression?: string }[], at: string): void {
  for (const [index, { key = "", valueExpression }] of extra.entries()) {
    const where = `${at}[${index}]`;
    if (!/^[^/]+\.?[^/]*\/.+$/.test(key)) throw new Error(`${where}.key: "${key}" must be a domain-prefixed path (such as "acme.io/foo")`);
    if (key !== key.toLowerCase()) throw new Error(`${where}.key: "${key}" must be lowercase`);
    if (/^([^/]*\.)?(kubernetes|k8s)\.io\//.test(key))
      throw new Error(`${where}.key: "${key}": k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use`);
    if (extra.findIndex((one) => one.key === key) < index) throw new Error(`${where}.key: Duplicate value: "${key}"`);
    if (!valueExpression) throw new Error(`${where}.valueExpression: Required value`);
  }
}

/** Who is known by an address that anybody may claim must have shown that it is his. */
function checkEmail({ claimMappings = {}, claimValidationRules = [] }: JwtSettings, at: string): void {
  const { username, extra = [] } = claimMappings;
  if (!/\bclaims\.\??email\b/.test(username?.expression ?? "")) return;
  const expressions = [
    username?.expression,
    ...extra.map((one) => one.valueExpression),
    ...claimValidationRules.map((rule) => rule.expression),
  ];
  if (!expressions.some((expression) => /\bclaims\.\??email_verified\b/.test(expression ?? "")))
    throw new Error(
      `${at}.claimMappings.username.expression: claims.email_verified must be used in claimMappings.username.expression or ` +
        "claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression",
    );
}
