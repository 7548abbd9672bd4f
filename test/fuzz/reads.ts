import { bases } from "./bases.ts";
import type { Request } from "./message.ts";
import type { Random } from "./random.ts";
import { wild } from "./values.ts";

const selectors = [
  "a in (",
  "a=b=c",
  "!",
  ",",
  "a in ()",
  "a notin (b,,c)",
  "a==",
  "=a",
  `${"a".repeat(64)}=b`,
  "a>b",
  "a/b/c=d",
  "\u0000",
  "x".repeat(4000),
  "metadata.name=",
  "spec.nope=1",
  "metadata.name!=a,metadata.name=b",
  "a\\,b=c",
];
const tokens = [
  "x",
  "e30",
  "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTEsInN0YXJ0IjoiLi4vIn0",
  "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MX0",
  "bnVsbA",
  "W10",
  "{}",
  "%00",
  "eyJydiI6MWU5OTl9",
];
const counts = ["-1", "0", "1", "9223372036854775807", "9223372036854775808", "1e3", "NaN", "0x1", "1.5", " 1"];

export function queries(random: Random): Request {
  const base = random.pick(bases);
  const options = new URLSearchParams();
  const option = (name: string, choices: readonly string[]): void => {
    if (random.chance(0.3)) options.append(name, random.pick(choices));
  };
  option("labelSelector", selectors);
  option("fieldSelector", selectors);
  option("continue", tokens);
  option("limit", counts);
  option("resourceVersion", counts);
  option("resourceVersionMatch", ["Exact", "NotOlderThan", "Sometimes"]);
  option("sendInitialEvents", ["true", "perhaps"]);
  option("pretty", ["true", "7"]);
  option("gracePeriodSeconds", counts);
  option("propagationPolicy", ["Foreground", "Nowhere"]);
  option("__proto__", ["1"]);
  const method = random.pick(["GET", "GET", "GET", "DELETE", "HEAD"]);
  const tail = random.chance(0.1) ? random.pick(["&%", "&%zz=%", "&&&==", `&${"a=b&".repeat(3000)}`, "?x?y", "&a=%ff%fe"]) : "";
  const dry = method === "DELETE" ? "&dryRun=All" : "";
  return { method, path: `${random.chance(0.5) ? base.collection : base.path}?${options}${dry}${tail}`, accept: random.pick(accepts) };
}

const accepts = [
  "application/json",
  "application/json;as=Table;v=v1;g=meta.k8s.io",
  "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
  "application/json;as=Nothing;v=v9;g=x",
  "application/vnd.kubernetes.protobuf",
  "application/yaml",
  "application/cbor",
  "text/html",
  "*/*;q=0",
  "",
  ";as=Table",
  "a".repeat(5000),
  "application/json,".repeat(400),
];

const segments = [
  "..",
  ".",
  "%2e%2e",
  "%2f",
  "%00",
  "%",
  "%zz",
  "__proto__",
  "constructor",
  "a".repeat(2000),
  "%c0%af",
  "pods",
  "default",
  "namespaces",
  "v1",
  "apis",
  "api",
  "proxy",
  "log",
  "status",
  "watch",
  " ",
  "\\",
  ";a=b",
  "*",
  "é",
  "http:%2f%2f127.0.0.1",
  "apps",
  "nodes",
  "secrets",
  "services",
  "exec",
];

export function paths(random: Random): Request {
  const base = random.pick(bases);
  const start = random.pick([
    "/",
    "//",
    "/api/v1/",
    "/apis/",
    "/apis/apps/v1/",
    `${base.collection}/`,
    `${base.path}/`,
    "/openapi/v3/",
    "/healthz/",
    "/api/v1/watch/",
    "/.well-known/",
    "/metrics/",
  ]);
  const path = start + Array.from({ length: random.below(5) }, () => random.pick(segments)).join("/");
  const method = random.pick(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]);
  const body = method === "GET" || method === "HEAD" ? undefined : Buffer.from(JSON.stringify(wild(random)));
  // What a path names by chance must not go: the namespaces and nodes that the next requests need.
  const dry = method === "DELETE" || method === "PUT" || method === "PATCH" ? "?dryRun=All" : "";
  // As old clients ask for watches: the answer has no end.
  const endless = method === "GET" && path.includes("/watch/") ? { endless: true } : {};
  return { method, path: path.replace(/ /g, "%20") + dry, body, ...endless };
}

const watchedFor = "timeoutSeconds=1";

export function watches(random: Random): Request {
  const base = random.pick(bases);
  const options = [`watch=${random.pick(["true", "1", "yes", ""])}`, watchedFor];
  if (random.chance(0.5)) options.push(`resourceVersion=${random.pick([...counts, "x"])}`);
  if (random.chance(0.3)) options.push(`labelSelector=${encodeURIComponent(random.pick(selectors))}`);
  if (random.chance(0.3))
    options.push(`sendInitialEvents=${random.pick(["true", "x"])}`, `resourceVersionMatch=${random.pick(["NotOlderThan", "x"])}`);
  if (random.chance(0.3)) options.push("allowWatchBookmarks=true");
  return { method: "GET", path: `${base.collection}?${options.join("&")}`, accept: random.pick(accepts), endless: true };
}

const identities: [string, string][] = [
  ["Authorization", "Bearer "],
  ["Authorization", "Bearer a.b.c"],
  ["Authorization", `Bearer eyJhbGciOiJub25lIn0.e30.`],
  ["Authorization", `Bearer ${"x".repeat(6000)}`],
  ["Authorization", "Basic ZZZ"],
  ["Impersonate-User", "system:admin\u00ff"],
  ["Impersonate-Group", "system:masters"],
  ["Impersonate-Extra-%zz", "x"],
  ["Impersonate-Uid", "u"],
  ["X-Remote-User", "admin"],
  ["X-Remote-Group", "system:masters"],
  ["Audit-ID", "x".repeat(3000)],
  ["User-Agent", "\u00ff".repeat(200)],
  ["If-None-Match", '"*"'],
  ["Origin", "http://evil"],
  ["Accept-Encoding", "gzip;q=nope, identity;q=0"],
  ["Content-Encoding", "gzip"],
  ["__proto__", "x"],
];

export function headers(random: Random): Request {
  const base = random.pick(bases);
  const more = Array.from({ length: 1 + random.below(3) }, () => random.pick(identities));
  return random.chance(0.7)
    ? { method: "GET", path: random.pick([base.path, "/version", "/api", "/openapi/v3"]), headers: more, accept: random.pick(accepts) }
    : { method: "POST", path: `${base.collection}?dryRun=All`, headers: more, body: Buffer.from(JSON.stringify(base.object)) };
}
