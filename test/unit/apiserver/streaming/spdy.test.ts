import { duplexPair } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { constants, createDeflate } from "node:zlib";
import { expect, test } from "vitest";
import { SpdyConnection, type SpdyStream } from "../../../../src/apiserver/streaming/spdy/connection.ts";
import { HeaderReader, HeaderWriter } from "../../../../src/apiserver/streaming/spdy/header-block.ts";

function pair(accept: (stream: SpdyStream) => void) {
  const [a, b] = duplexPair();
  return { client: new SpdyConnection(a), server: new SpdyConnection(b, accept), transport: a };
}

test("header blocks come through, one after another", async () => {
  const reader = new HeaderReader();
  const writer = new HeaderWriter();
  for (const streamtype of ["error", "stdin", "stdout"])
    expect(Object.fromEntries(await reader.read(writer.write({ streamType: streamtype, port: "80" })))).toEqual({ streamtype, port: "80" });
  reader.close();
});

test("compressed header blocks, as Go clients send them, are read", async () => {
  const deflate = createDeflate({ flush: constants.Z_SYNC_FLUSH });
  const block = (name: string, value: string) => {
    const raw = Buffer.alloc(4 + 4 + name.length + 4 + value.length);
    raw.writeUInt32BE(1, 0);
    raw.writeUInt32BE(name.length, 4);
    raw.write(name, 8);
    raw.writeUInt32BE(value.length, 8 + name.length);
    raw.write(value, 12 + name.length);
    return new Promise<Buffer>((resolve) => deflate.write(raw, () => resolve(deflate.read())));
  };
  const reader = new HeaderReader();
  expect((await reader.read(await block("Streamtype", "error"))).get("streamtype")).toBe("error");
  expect((await reader.read(await block("Streamtype", "data"))).get("streamtype")).toBe("data");
  reader.close();
});

test("streams carry bytes both ways and end each way on its own", async () => {
  const { client, server } = pair(async (stream) => {
    const sent = await text(stream);
    stream.end(`${stream.headers.get("streamtype")}:${sent}`);
  });
  const streams = ["a", "b"].map((streamtype) => client.open({ streamtype }));
  for (const [i, stream] of streams.entries()) stream.end(`hello ${i}`);
  expect(await Promise.all(streams.map((stream) => text(stream)))).toEqual(["a:hello 0", "b:hello 1"]);
  client.close();
  await Promise.all([client.closed, server.closed]);
});

test("megabytes come through unchanged, however slowly they are read", async () => {
  const sent = Buffer.alloc(3_000_000, "0123456789abcde");
  const { client, server } = pair((stream) => stream.end(sent));
  const stream = client.open({ streamtype: "data" });
  stream.end();
  expect((await buffer(stream)).equals(sent)).toBe(true);
  client.close();
  await server.closed;
});

test("everything ends when the other side goes away, or speaks something else", async () => {
  let accepted: SpdyStream | undefined;
  const { client, server, transport } = pair((stream) => {
    accepted = stream;
  });
  const stream = client.open({ streamtype: "data" });
  await expect.poll(() => accepted).toBeDefined();
  transport.destroy();
  await Promise.all([client.closed, server.closed]);
  expect([stream.destroyed, accepted?.destroyed]).toEqual([true, true]);

  const [a, b] = duplexPair();
  const other = new SpdyConnection(b, () => {});
  a.write(Buffer.from([0x80, 0x03, 0, 1, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2]));
  await other.closed;
});

test("a stream that is reset ends, the others go on", async () => {
  const accepted: SpdyStream[] = [];
  const { client, server } = pair((stream) => accepted.push(stream));
  const first = client.open({ streamtype: "a" });
  const second = client.open({ streamtype: "b" });
  await expect.poll(() => accepted.length).toBe(2);
  first.destroy();
  await expect.poll(() => accepted[0]?.destroyed).toBe(true);
  accepted[1]?.end("still here");
  second.end();
  expect(await text(second)).toBe("still here");
  server.close();
  await client.closed;
});
