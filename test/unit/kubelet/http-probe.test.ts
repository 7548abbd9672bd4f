import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { afterAll, expect, test } from "vitest";
import { probeHTTP } from "../../../src/kubelet/probes/http.ts";

const servers: ReturnType<typeof createServer>[] = [];
afterAll(() => {
  for (const server of servers) server.close();
});

/** A server that answers each connection's request with those texts, one after the other, and notes what it was asked. */
async function serve(...replies: readonly string[]): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (data) => {
      asked.push(data.toString());
      for (const reply of replies) socket.write(reply);
      if (replies.length > 0) socket.end();
    });
  });
  servers.push(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  return { port: (server.address() as AddressInfo).port, asked };
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
