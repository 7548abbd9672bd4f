import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { decodeMessage, openEnvelope } from "../../../../src/api/schema/protobuf.ts";
import { WireReader } from "../../../../src/api/schema/wire.ts";
import { acceptWebSocket } from "../../../../src/apiserver/streaming/web-sockets.ts";
import { FakeClock } from "../../../../src/lib/clock.ts";
import { readEvent } from "../../api/codec/watch-frames.ts";
import { configMap, type RunningServer, startServer } from "../running-server.ts";

const maps = "/api/v1/namespaces/default/configmaps";
const protobuf = "application/vnd.kubernetes.protobuf";
const clock = new FakeClock(Date.now());
let running: RunningServer;
beforeAll(async () => {
  running = await startServer({ clock });
  await running.request("POST", maps, configMap("one", { a: "1" }));
});
afterAll(() => running.stop());

interface Messages {
  socket: WebSocket;
  /** As they have come: text, or bytes. */
  received: (string | Buffer)[];
  /** The code of the end. */
  closed: Promise<number>;
}

/** Opens a watch as WebSocket. Rejects with code and body of a refusal. */
function open(path: string, options: { token?: string; accept?: string; protocols?: string[] } = {}): Promise<Messages> {
  const headers = { authorization: `Bearer ${options.token ?? "admin"}`, accept: options.accept ?? "application/json" };
  const url = running.url.replace("https", "wss") + path;
  const socket = new WebSocket(url, options.protocols ?? [], { rejectUnauthorized: false, headers });
  const received: (string | Buffer)[] = [];
  socket.on("message", (data: Buffer, isBinary) => received.push(isBinary ? data : data.toString()));
  const closed = new Promise<number>((resolve) => socket.on("close", resolve));
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("open", () => resolve({ socket, received, closed }));
    socket.once("unexpected-response", (_request, response) => {
      response.on("data", (body) => reject(new Error(`${response.statusCode} ${JSON.parse(body).message}`)));
    });
  });
}

describe("a watch over a WebSocket", () => {
  test("sends an event a message, as text, and ends well when its time is over", async () => {
    const { received, closed } = await open(`${maps}?watch=1&timeoutSeconds=7`);
    await running.request("POST", maps, configMap("two", { a: "2" }));
    await running.request("DELETE", `${maps}/two`);
    const told = (): string[] =>
      received.map((message) => {
        const { type, object } = JSON.parse(message.toString());
        return `${typeof message} ${type} ${object.metadata.name}`;
      });
    const expected = ["ADDED one", "ADDED two", "DELETED two"].map((event) => `string ${event}`);
    await expect.poll(told).toEqual(expected);
    clock.advance(7_100);
    expect(await closed).toBe(1000);
  });

  test("sends protobuf as bytes, without the length that goes before events in a stream", async () => {
    const { socket, received } = await open(`${maps}?watch=1&fieldSelector=metadata.name=one`, { accept: `${protobuf};stream=watch` });
    await expect.poll(() => received.length).toBe(1);
    const [message] = received;
    if (!Buffer.isBuffer(message)) throw new Error("no bytes");
    const length = Buffer.alloc(4);
    length.writeUInt32BE(message.length);
    const { type, object } = readEvent(Buffer.concat([length, message]));
    expect(type).toBe("ADDED");
    const map = decodeMessage("core.v1.ConfigMap", new WireReader(openEnvelope(object).raw));
    expect(map).toMatchObject({ metadata: { name: "one" }, data: { a: "1" } });
    socket.close();
  });

  test("says by an event that its revision is too old", async () => {
    await running.store.compact(running.store.revision);
    const { received, closed } = await open(`${maps}?watch=1&resourceVersion=2`);
    expect(await closed).toBe(1000);
    expect(JSON.parse(String(received[0]))).toMatchObject({ type: "ERROR", object: { code: 410, reason: "Expired" } });
  });

  test("takes a browser's token, and answers with the other protocol that it names", async () => {
    const token = `base64url.bearer.authorization.k8s.io.${Buffer.from("admin").toString("base64url")}`;
    const { socket } = await open(`${maps}?watch=1`, { token: "admin", protocols: [token, "mine"] });
    expect(socket.protocol).toBe("mine");
    socket.close();
  });

  test("whose handshake is none ends as a failed request, and keeps nobody's place", async () => {
    const request = new IncomingMessage(new Socket());
    Object.assign(request, { method: "GET", headers: { connection: "Upgrade", upgrade: "websocket" } });
    const accepted = acceptWebSocket({ request, socket: new PassThrough(), head: Buffer.alloc(0) }, "");
    await expect(accepted).rejects.toThrow("the WebSocket handshake has failed");
  });

  test("is refused in words before it begins", async () => {
    await expect(open(`${maps}?watch=1`, { token: "alice" })).rejects.toThrow(/^403 configmaps is forbidden: User "alice" cannot watch/);
    await expect(open(`${maps}?watch=1&resourceVersion=x`)).rejects.toThrow(/^4\d\d .*x/);
    await expect(open("/apis/none.example.com/v1/things?watch=1")).rejects.toThrow("404 the server could not find the requested resource");
    await expect(open(maps)).rejects.toThrow("400 upgrade request required");
  });
});
