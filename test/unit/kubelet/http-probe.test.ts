import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTLSServer } from "node:tls";
import { afterAll, expect, test } from "vitest";
import { hookHTTP, probeHTTP } from "../../../src/kubelet/probes/http.ts";
import { issueAuthority, newKey } from "../../../src/pki/issue.ts";

const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) server.close();
});

/** A server that answers each connection's request with those texts, one after the other, and notes what it was asked. */
async function serve(...replies: readonly string[]): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const port = await listen(createServer((socket) => answer(socket, replies, asked)));
  return { port, asked };
}

function answer(socket: Socket, replies: readonly string[], asked: string[]): void {
  socket.on("error", () => {});
  socket.once("data", (data) => {
    asked.push(data.toString());
    for (const reply of replies) socket.write(reply);
    if (replies.length > 0) socket.end();
  });
}

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  return (server.address() as AddressInfo).port; // Of a port, not a pipe.
}

const container = { name: "c" };

const cases: { name: string; replies: string[]; outcome: string; output: RegExp }[] = [
  { name: "200", replies: ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"], outcome: "success", output: /^$/ },
  { name: "a reply in pieces", replies: ["HTTP/1.1 2", "00 OK\r\n", "\r\n"], outcome: "success", output: /^$/ },
  {
    name: "interim replies",
    replies: ["HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"],
    outcome: "success",
    output: /^$/,
  },
  {
    name: "a redirect to another host",
    replies: ["HTTP/1.1 302 Found\r\nlocation: http://example.org/\r\n\r\n"],
    outcome: "success",
    output: /^$/,
  },
  {
    name: "500 that names another place",
    replies: ["HTTP/1.1 500 Oh\r\nLocation: /\r\n\r\n"],
    outcome: "failure",
    output: /^HTTP probe failed with statuscode: 500$/,
  },
  { name: "500", replies: ["HTTP/1.0 500 Oh\r\n\r\n"], outcome: "failure", output: /^HTTP probe failed with statuscode: 500$/ },
  {
    name: "another protocol",
    replies: ["SSH-2.0-OpenSSH_9\r\n"],
    outcome: "failure",
    output: /malformed HTTP response "SSH-2.0-OpenSSH_9/,
  },
  { name: "an end before the reply", replies: [""], outcome: "failure", output: /^Get "http:\/\/127.0.0.1:\d+\/ok\?a=1": EOF$/ },
  {
    name: "silence",
    replies: [],
    outcome: "failure",
    output: /context deadline exceeded \(Client.Timeout exceeded while awaiting headers\)$/,
  },
];

test.each(cases)("a probe that gets $name is a $outcome", async ({ name, replies, outcome, output }) => {
  const { port } = await serve(...replies);
  const result = await probeHTTP({ port, path: "ok?a=1" }, container, "127.0.0.1", name === "silence" ? 300 : 15_000);
  expect(result).toEqual({ outcome, output: expect.stringMatching(output) });
});

test("a probe follows redirects within the pod", async () => {
  const { port, asked } = await serve("HTTP/1.1 200 OK\r\n\r\n");
  const first = await serve(`HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:${port}/there\r\n\r\n`);
  expect(await probeHTTP({ port: first.port }, container, "127.0.0.1", 15_000)).toMatchObject({ outcome: "success" });
  expect(asked).toEqual([expect.stringMatching(/^GET \/there HTTP\/1\.1\r\n/)]);
});

test("a probe says who asks, and the headers of its spec", async () => {
  const { port, asked } = await serve("HTTP/1.1 200 OK\r\n\r\n");
  const httpHeaders = [
    { name: "host", value: "shop" },
    { name: "X-Key", value: "a\r\nb" },
  ];
  await probeHTTP({ port, path: "/x", httpHeaders }, container, "127.0.0.1", 15_000);
  expect(asked[0]?.split("\r\n").sort()).toEqual([
    "",
    "",
    "Accept: */*",
    "Connection: close",
    "GET /x HTTP/1.1",
    expect.stringMatching(/^User-Agent: kube-probe\/1\.\d+$/),
    "X-Key: a  b",
    "host: shop",
  ]);
});

test("a probe names the pod's address where its spec names no host, and gives up on circles", async () => {
  const { port, asked } = await serve("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n");
  expect(await probeHTTP({ port }, container, "127.0.0.1", 15_000)).toEqual({ outcome: "success", output: "" });
  expect(asked).toHaveLength(11);
  expect(asked[0]).toContain(`\r\nHost: 127.0.0.1:${port}\r\n`);
});

test("a probe over HTTPS does not ask whose the certificate is", async () => {
  const key = newKey();
  const cert = issueAuthority("nobody", key, { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 });
  const port = await listen(createTLSServer({ key, cert }, (socket) => answer(socket, ["HTTP/1.1 200 OK\r\n\r\n"], [])));
  expect(await probeHTTP({ port, scheme: "HTTPS" }, container, "127.0.0.1", 15_000)).toEqual({ outcome: "success", output: "" });
});

test("where nobody listens a probe says so in the words of other kubelets", async () => {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  expect(await probeHTTP({ port }, container, "127.0.0.1", 15_000)).toEqual({
    outcome: "failure",
    output: `Get "http://127.0.0.1:${port}/": dial tcp 127.0.0.1:${port}: connect: connection refused`,
  });
});

test("a hook fails by a status of 400 and more", async () => {
  const hook = async (reply: string): Promise<void> => hookHTTP({ port: (await serve(reply)).port }, container, "127.0.0.1", 15_000);
  await hook("HTTP/1.1 399 Odd\r\n\r\n");
  await expect(hook("HTTP/1.1 400 Bad\r\n\r\n")).rejects.toThrow("HTTP hook failed with statuscode: 400");
});
