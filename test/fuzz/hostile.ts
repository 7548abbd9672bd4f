import { bases } from "./bases.ts";
import type { Shape } from "./connection.ts";
import { head, http, token } from "./message.ts";
import type { Random } from "./random.ts";

type Made = Omit<Shape, "family">;

const post = (length: number, more: readonly (readonly [string, string])[] = []): string =>
  `${head({ method: "POST", path: "/api/v1/namespaces/default/configmaps?dryRun=All", headers: [["Content-Type", "application/json"], ["Content-Length", String(length)], ...more] })}\r\n\r\n`;
const bytes = (text: string): Buffer => Buffer.from(text, "latin1");
const configMap = JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "hostile" } });
const version = http({ method: "GET", path: "/version" });

const limit = 3 * 1024 * 1024;
const large = Buffer.alloc(limit + 1, 0x20);

/** More than 3 MiB: announced, in chunks, or announced and never sent. */
function oversize(random: Random): Made {
  if (random.chance(0.6))
    return { parts: [bytes(post(limit + 1 + random.below(1e9)))], answers: 1, end: random.chance(0.5) ? "half-close" : "break" };
  if (random.chance(0.5)) return { parts: [bytes(post(large.length)), large], answers: 1 };
  const chunked = head({
    method: "POST",
    path: "/api/v1/namespaces/default/configmaps?dryRun=All",
    headers: [["Transfer-Encoding", "chunked"]],
  });
  return { parts: [bytes(`${chunked}\r\n\r\n${large.length.toString(16)}\r\n`), large, bytes("\r\n0\r\n\r\n")], answers: 1 };
}

function headerFlood(random: Random): Made {
  const lines = random.pick([
    Array.from({ length: 3000 }, (_, i) => `X-${i}: ${i}`),
    [`X-Long: ${"x".repeat(20_000)}`],
    Array.from({ length: 1500 }, () => "Cookie: a=b"),
    Array.from({ length: 300 }, () => "Impersonate-Group: g"),
    ["Host: other", "Host: third"],
    [`Authorization: Bearer ${token}`, "Authorization: Bearer none"],
  ]);
  return { parts: [bytes(`GET /api HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n${lines.join("\r\n")}\r\n\r\n`)], answers: 1 };
}

const framings: [string, string][][] = [
  [
    ["Content-Length", "5"],
    ["Transfer-Encoding", "chunked"],
  ],
  [
    ["Transfer-Encoding", "chunked"],
    ["Transfer-Encoding", "identity"],
  ],
  [
    ["Content-Length", "5"],
    ["Content-Length", "6"],
  ],
  [["Content-Length", "+5"]],
  [["Content-Length", "-1"]],
  [["Content-Length", "5 5"]],
  [["Content-Length", "0x5"]],
  [["Content-Length", "99999999999999999999"]],
  [["Transfer-Encoding", "xchunked"]],
  [["Transfer-Encoding", " chunked"]],
  [["Transfer-Encoding", "chunked, gzip"]],
  [["Transfer-Encoding\t", "chunked"]],
  [
    ["Expect", "100-continue"],
    ["Content-Length", "2"],
  ],
  [
    ["Expect", "nonsense"],
    ["Content-Length", "2"],
  ],
];

/** Two ideas of where a request ends. A second answer would be one to a request that nobody sent. */
function smuggling(random: Random): Made {
  const start = head({ method: "POST", path: "/api/v1/namespaces/default/configmaps?dryRun=All", headers: random.pick(framings) });
  const hidden = "0\r\n\r\nGET /api/v1/secrets HTTP/1.1\r\nHost: a\r\n\r\n";
  return { parts: [bytes(`${start}\r\n\r\n${hidden}`)], answers: 1, end: "half-close", unanswered: true };
}

const lines = [
  "GET",
  "GET /",
  "GET / HTTP/9.9",
  "GET / HTTP/1.0",
  "GET  / HTTP/1.1",
  "PRI * HTTP/2.0",
  "\u0000\u0001\u0002",
  "CONNECT a:1 HTTP/1.1",
  "GET http://127.0.0.1/api HTTP/1.1",
  "GET * HTTP/1.1",
  "get /api HTTP/1.1",
  "BREW /pot HTTP/1.1",
  "GET /api#x HTTP/1.1",
  "GET /\u00ff\u00fe HTTP/1.1",
  "M-SEARCH /api HTTP/1.1",
];

function malformed(random: Random): Made {
  if (random.chance(0.2))
    return { parts: [random.bytes(random.below(200)), bytes("\r\n\r\n")], answers: 1, end: "half-close", unanswered: true };
  const headers = random.pick(["Host: a", "Host : a", ": x", "a\u0000b: c", " folded: x", "Host: a\r\n\tb", "X: \u0000", ""]);
  return {
    parts: [bytes(`${random.pick(lines)}\r\n${headers}\r\nAuthorization: Bearer ${token}\r\n\r\n`)],
    answers: 1,
    end: "half-close",
    unanswered: true,
  };
}

/** What comes in pieces, stops in the middle, or never comes. */
function slow(random: Random): Made {
  const whole = Buffer.concat([bytes(post(configMap.length)), Buffer.from(configMap)]);
  const cut = 1 + random.below(whole.length - 1);
  const first = whole.subarray(0, cut);
  if (random.chance(0.4)) return { parts: [first, whole.subarray(cut, cut + 7), whole.subarray(cut + 7)], answers: 1 };
  return { parts: [first], answers: 1, end: random.chance(0.5) ? "half-close" : "break", unanswered: true };
}

function pipelined(random: Random): Made {
  const count = 2 + random.below(30);
  const requests = Array.from({ length: count }, () =>
    random.chance(0.8) ? version : http({ method: "GET", path: random.pick(bases).path }),
  );
  return {
    parts: [Buffer.concat(requests)],
    answers: count,
    ...(random.chance(0.3) ? { end: "half-close" as const, unanswered: true } : {}),
  };
}

const upgrades = [
  ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"],
  ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 99", "Sec-WebSocket-Key: x"],
  [
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: nope",
  ],
  [
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: v5.channel.k8s.io",
  ],
  ["Upgrade: SPDY/3.1", "Connection: Upgrade"],
  ["Upgrade: SPDY/3.1", "Connection: Upgrade", "X-Stream-Protocol-Version: v9"],
  ["Upgrade: SPDY/3.1", "Connection: Upgrade", "X-Stream-Protocol-Version: v4.channel.k8s.io"],
  ["Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAA"],
  ["Upgrade:", "Connection: Upgrade"],
  ["Connection: Upgrade"],
];
const connected = [
  "/api/v1/namespaces/default/pods/base/exec?command=ls&stdout=true",
  "/api/v1/namespaces/default/pods/base/exec",
  "/api/v1/namespaces/default/pods/none/attach?stdin=1",
  "/api/v1/namespaces/default/pods/base/portforward?ports=99999999&ports=x",
  "/api/v1/namespaces/default/pods/base/portforward",
  "/api/v1/namespaces/default/pods/base/log?follow=true&tailLines=-1",
  "/api/v1/nodes/none/proxy/..%2f..",
  "/api/v1/namespaces/default/services/none:x:y/proxy/",
  "/api/v1/namespaces/default/pods?watch=true&timeoutSeconds=1",
  "/version",
  "/nope",
];

/** Upgrades of all kinds, and bytes without sense after those that are taken. */
function upgrade(random: Random): Made {
  const start = `${random.pick(["GET", "POST"])} ${random.pick(connected)} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n`;
  const asked = bytes(`${start}${random.pick(upgrades).join("\r\n")}\r\n\r\n`);
  return { parts: [asked, random.bytes(random.below(200))], answers: 1, endless: true, unanswered: true };
}

/** The families of what is no proper HTTP, and how often each is made. */
export const hostileFamilies: readonly (readonly [name: string, weight: number, make: (random: Random) => Made])[] = [
  ["oversize", 0.3, oversize],
  ["header flood", 0.5, headerFlood],
  ["smuggling", 0.5, smuggling],
  ["malformed", 0.5, malformed],
  ["slow", 0.5, slow],
  ["pipelined", 0.3, pipelined],
  ["upgrade", 0.5, upgrade],
];
