/** Checks of names. Each returns what is wrong, in upstream's words; an empty list when the name is fine. */

const label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const subdomain = `${label}(\\.${label})*`;
const label1035 = "[a-z]([-a-z0-9]*[a-z0-9])?";
const qualifiedPart = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const labelPattern = new RegExp(`^${label}$`);
const subdomainPattern = new RegExp(`^${subdomain}$`);
const label1035Pattern = new RegExp(`^${label1035}$`);
const qualifiedPattern = new RegExp(`^${qualifiedPart}$`);
const labelValuePattern = new RegExp(`^(${qualifiedPart})?$`);

const labelText = regexText(
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  label,
  "my-name",
  "123-abc",
);
const subdomainText = regexText(
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  subdomain,
  "example.com",
);
const wildcardText = regexText(
  "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
  `\\*\\.${subdomain}`,
  "*.example.com",
);
const label1035Text = regexText(
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
  label1035,
  "my-name",
  "abc-123",
);
const qualifiedText = regexText(
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  qualifiedPart,
  "MyName",
  "my.name",
  "123-abc",
);
const labelValueText = regexText(
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  `(${qualifiedPart})?`,
  "MyValue",
  "my_value",
  "12345",
);

/** A DNS-1123 label: at most 63 of a-z, 0-9 and "-". */
export function checkDnsLabel(name: string): string[] {
  return [...tooLongFor(name, 63, "characters"), ...(labelPattern.test(name) ? [] : [labelText])];
}

/** A DNS-1123 subdomain: labels joined by ".", at most 253 characters. */
export function checkDnsSubdomain(name: string): string[] {
  return [...tooLongFor(name, 253, "characters"), ...(subdomainPattern.test(name) ? [] : [subdomainText])];
}

/** "*." followed by a DNS-1123 subdomain. */
export function checkWildcardSubdomain(name: string): string[] {
  return [...tooLongFor(name, 253), ...(name.startsWith("*.") && subdomainPattern.test(name.slice(2)) ? [] : [wildcardText])];
}

/** A DNS-1035 label: a DNS label that starts with a letter. Services are named so. */
export function checkDns1035Label(name: string): string[] {
  return [...tooLongFor(name, 63, "characters"), ...(label1035Pattern.test(name) ? [] : [label1035Text])];
}

/** "name" or "prefix.example.com/name": keys of labels and annotations, names of resources and conditions. */
export function checkQualifiedName(name: string): string[] {
  if (wellFormed.has(name)) return [];
  const errors = qualifiedNameErrors(name);
  if (errors.length > 0) return errors;
  if (wellFormed.size >= 10_000) wellFormed.clear();
  wellFormed.add(name);
  return errors;
}

/** The keys of labels come again and again. */
const wellFormed = new Set<string>();

function qualifiedNameErrors(name: string): string[] {
  const parts = name.split("/");
  if (parts.length > 2) {
    const form = regexText(
      "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
      qualifiedPart,
      "MyName",
      "my.name",
      "123-abc",
    );
    return [`${form} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  }
  const errors: string[] = [];
  const last = parts.at(-1) ?? "";
  if (parts.length === 2) {
    const prefix = parts[0] ?? "";
    if (prefix === "") errors.push("prefix part must be non-empty");
    else errors.push(...checkDnsSubdomain(prefix).map((text) => `prefix part ${text.replace("253 characters", "253 bytes")}`));
  }
  if (last === "") errors.push("name part must be non-empty");
  else if (last.length > 63) errors.push("name part must be no more than 63 bytes");
  if (!qualifiedPattern.test(last)) errors.push(`name part ${qualifiedText}`);
  return errors;
}

/** The value of a label. */
export function checkLabelValue(value: string): string[] {
  return [...tooLongFor(value, 63), ...(labelValuePattern.test(value) ? [] : [labelValueText])];
}

/** A name that can be one part of a path: RBAC roles and bindings are named so. */
export function checkPathSegment(name: string): string[] {
  if (name === "." || name === "..") return [`may not be '${name}'`];
  return ["/", "%"].filter((c) => name.includes(c)).map((c) => `may not contain '${c}'`);
}

/** The key of a ConfigMap or Secret. */
export function checkConfigKey(key: string): string[] {
  const errors = tooLongFor(key, 253, "characters");
  if (!/^[-._a-zA-Z0-9]+$/.test(key))
    errors.push(
      regexText(
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
        "[-._a-zA-Z0-9]+",
        "key.name",
        "KEY_NAME",
        "key-name",
      ),
    );
  if (key === ".") errors.push("must not be '.'");
  else if (key === "..") errors.push("must not be '..'");
  else if (key.startsWith("..")) errors.push("must not start with '..'");
  return errors;
}

/** The name of an environment variable: printable ASCII without "=". */
export function checkEnvVarName(name: string): string[] {
  if (/^[ -<>-~]+$/.test(name)) return [];
  return ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
}

/** The name of a port: at most 15 of a-z, 0-9 and "-", with a letter. */
export function checkPortName(name: string): string[] {
  const errors: string[] = [];
  if (name.length > 15) errors.push("must be no more than 15 characters");
  if (!/^[-a-z0-9]+$/.test(name)) errors.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  if (!/[a-z]/.test(name)) errors.push("must contain at least one letter (a-z)");
  if (name.includes("--")) errors.push("must not contain consecutive hyphens");
  if (name.startsWith("-") || name.endsWith("-")) errors.push("must not begin or end with a hyphen");
  return errors;
}

/** A port number, 1 to 65535. */
export function checkPort(port: number): string[] {
  return Number.isInteger(port) && port >= 1 && port <= 65535 ? [] : ["must be between 1 and 65535, inclusive"];
}

/** A number of a Unix user or group. */
export function checkId(id: number): string[] {
  return Number.isInteger(id) && id >= 0 && id <= 2 ** 31 - 1 ? [] : ["must be between 0 and 2147483647, inclusive"];
}

const alphabet = "bcdfghjklmnpqrstvwxz2456789";

/** The name for a generateName: the base, cut to 58 characters, and five characters of an alphabet without vowels. `random` gives 0 <= n < 1. */
export function generateName(base: string, random: () => number = Math.random): string {
  let suffix = "";
  for (let i = 0; i < 5; i++) suffix += alphabet[Math.floor(random() * alphabet.length)];
  return base.slice(0, 58) + suffix;
}

/** A short name-safe hash of any plain value, the same for equal values: the pod-template-hash. `collisions` makes another one. */
export function hashSuffix(value: unknown, collisions?: number): string {
  let hash = 0x811c9dc5;
  const text = stableText(value) + (collisions ? String(collisions) : "");
  for (let i = 0; i < text.length; i++) {
    hash ^= text.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193) >>> 0;
  }
  return safeEncode(String(hash));
}

/** The text with every character replaced by one that cannot spell a bad word, as upstream's SafeEncodeString. */
export function safeEncode(text: string): string {
  let out = "";
  for (let i = 0; i < text.length; i++) out += alphabet[text.charCodeAt(i) % alphabet.length];
  return out;
}

/** JSON with sorted keys and without what is absent or empty: equal for values that mean the same. */
function stableText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stableText).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const parts: string[] = [];
  for (const [key, item] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const text = stableText(item);
    if (item !== undefined && item !== null && text !== "[]") parts.push(`${JSON.stringify(key)}:${text}`);
  }
  return `{${parts.join(",")}}`;
}

function tooLongFor(name: string, maximum: number, unit = "bytes"): string[] {
  return name.length > maximum ? [`must be no more than ${maximum} ${unit}`] : [];
}

function regexText(message: string, pattern: string, ...examples: string[]): string {
  return `${message} (e.g. ${examples.map((e) => `'${e}'`).join(",  or ")}, regex used for validation is '${pattern}')`;
}
