import { Agent, get } from "node:https";
import { connect as tlsConnect } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { channel, closeFrame, encodeFrame, encodeResize } from "../../../../src/api/streaming/channels.ts";
import { forbidden } from "../../../../src/api/errors.ts";
import type { RequestAttributes } from "../../../../src/api/user.ts";
import type { AdmissionPlugin, AdmissionRequest } from "../../../../src/apiserver/admission/admission.ts";
import { refuse } from "../../../../src/apiserver/admission/request.ts";
import { type StreamingServer, startStreamingServer } from "./streaming-server.ts";

let server: StreamingServer;
let seen: AdmissionRequest | undefined;
let mayCreate = true;
beforeAll(async () => {
  const plugin: AdmissionPlugin = {
    name: "watcher",
    validate(request) {
      seen = request;
      if (request.name === "two" && request.subresource === "attach") throw refuse(request, "attaching to pod 'two' is not allowed");
    },
  };
  const check = ({ verb }: RequestAttributes): void => {
    if (!mayCreate && verb === "create") throw forbidden({ kind: "pods" }, "no");
  };
  server = await startStreamingServer({ admission: [plugin], check });
});
afterAll(() => server.stop());
// Nothing stays open, whatever a test did.
afterEach(() => expect.poll(() => server.kubelet.open()).toBe(0));

const pods = "/api/v1/namespaces/default/pods";

/** A WebSocket to the API server, with what has come on each channel. */
class Session {
  readonly socket: WebSocket;
  readonly output = new Map<number, string>();
  readonly ended: Promise<number>;
  readonly opened: Promise<void>;

  constructor(path: string, protocol?: string) {
    const url = server.api.url.replace("https", "wss") + path;
    this.socket = new WebSocket(url, protocol === undefined ? [] : [protocol], {
      rejectUnauthorized: false,
      headers: { authorization: "Bearer admin" },
    });
    const base64 = protocol?.includes("base64") ?? false;
    this.socket.on("message", (message: Buffer) => {
      const id = base64 ? Number(String.fromCharCode(message[0] ?? 0)) : (message[0] ?? 0);
      const text = base64 ? Buffer.from(message.toString().slice(1), "base64").toString() : message.subarray(1).toString();
      this.output.set(id, (this.output.get(id) ?? "") + text);
    });
    this.opened = new Promise((resolve, reject) => {
      this.socket.once("open", resolve);
      this.socket.once("unexpected-response", (_request, response) => {
        response.on("data", (body: Buffer) => reject(new Error(`${response.statusCode} ${JSON.parse(body.toString()).message}`)));
      });
      this.socket.once("error", reject);
    });
    this.opened.catch(() => {});
    this.ended = new Promise((resolve) => this.socket.once("close", resolve));
  }

  status(): { status: string; reason?: string; details?: { causes: object[] } } {
    return JSON.parse(this.output.get(channel.error) ?? "{}");
  }
}

const exec = (command: string[], query = "stdout=true&stderr=true", protocol = "v5.channel.k8s.io", pod = "one") =>
  new Session(`${pods}/${pod}/exec?${command.map((word) => `command=${encodeURIComponent(word)}`).join("&")}&${query}`, protocol);

describe("exec over WebSocket", () => {
  test("gives output, errors and the exit code", async () => {
    const session = exec(["sh", "-c", "echo out; echo err >&2; exit 3"]);
    expect(await session.ended).toBe(1000);
    expect(session.output.get(channel.stdout)).toBe("out\n");
    expect(session.output.get(channel.stderr)).toBe("err\n");
    expect(session.status()).toMatchObject({ reason: "NonZeroExitCode", details: { causes: [{ reason: "ExitCode", message: "3" }] } });
  });

  test("says success, too, after all output", async () => {
    const session = exec(["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x"]);
    await session.ended;
    expect(session.output.get(channel.stdout)?.length).toBe(3_000_000);
    expect(session.status().status).toBe("Success");
  });

  test("hands stdin on until the client closes it", async () => {
    const session = exec(["sh", "-c", "tr a-z A-Z"], "stdin=true&stdout=true");
    await session.opened;
    session.socket.send(encodeFrame(channel.stdin, "hello "));
    session.socket.send(encodeFrame(channel.stdin, "world"));
    session.socket.send(closeFrame(channel.stdin));
    await session.ended;
    expect(session.output.get(channel.stdout)).toBe("HELLO WORLD");
  });

  test("hands on the terminal's size", async () => {
    const session = exec(["size"], "stdin=true&stdout=true&tty=true");
    await session.opened;
    session.socket.send(encodeResize({ Width: 100, Height: 40 }));
    await session.ended;
    expect(session.output.get(channel.stdout)).toBe('{"Width":100,"Height":40}');
  });

  test.each(["v4.channel.k8s.io", "v4.base64.channel.k8s.io"])("in %s ends with a Status", async (protocol) => {
    const session = exec(["echo", "hi"], "stdout=true", protocol);
    await session.ended;
    expect([session.socket.protocol, session.output.get(1), session.status().status]).toEqual([protocol, "hi\n", "Success"]);
  });

  test("in the first version has no status", async () => {
    const session = exec(["echo", "hi"], "stdout=true", "channel.k8s.io");
    expect(await session.ended).toBe(1000);
    expect([...session.output]).toEqual([[1, "hi\n"]]);
  });

  test("ends the process when the client goes", async () => {
    const session = exec(["sleep", "1000"]);
    await session.opened;
    await expect.poll(() => server.kubelet.open()).toBe(2);
    session.socket.terminate();
    await expect.poll(() => server.kubelet.open()).toBe(0);
  });

  test.each([
    { pod: "two", query: "stdout=1", message: "400 a container name must be specified for pod two, choose one of: [a b gone waiting]" },
    { pod: "two", query: "stdout=1&container=x", message: "400 container x is not valid for pod two" },
    { pod: "two", query: "stdout=1&container=gone", message: '404 container not found ("gone")' },
    { pod: "pending", query: "stdout=1", message: "400 pod pending does not have a host assigned" },
    { pod: "none", query: "stdout=1", message: '404 pods "none" not found' },
  ])("is refused: $message", async ({ pod, query, message }) => {
    await expect(exec(["ls"], query, undefined, pod).opened).rejects.toThrow(message);
  });

  test("does not speak to a kubelet that is not the node's", async () => {
    await expect(exec(["ls"], "stdout=1", "v5.channel.k8s.io", "betrayed").opened).rejects.toThrow(
      "500 Internal error occurred: error dialing backend: Hostname/IP does not match certificate's altnames",
    );
    const proxied = await server.api.request("GET", "/api/v1/nodes/imposter/proxy/");
    expect(proxied).toMatchObject({ code: 503, body: { message: expect.stringContaining("does not match certificate's altnames") } });
  });

  test("is shown to admission, which may refuse", async () => {
    await exec(["ls"], "stdout=true&container=a").ended;
    expect(seen).toMatchObject({
      operation: "CONNECT",
      subresource: "exec",
      name: "one",
      object: { kind: "PodExecOptions", command: ["ls"], stdout: true, container: "a" },
    });
    const attach = new Session(`${pods}/two/attach?stdout=1&container=a`, "v5.channel.k8s.io");
    await expect(attach.opened).rejects.toThrow("403 pods \"two\" is forbidden: attaching to pod 'two' is not allowed");
  });

  test("needs the right to create, though a WebSocket begins with a GET", async () => {
    mayCreate = false;
    await expect(exec(["ls"]).opened).rejects.toThrow("403");
    mayCreate = true;
  });

  test("attaches", async () => {
    const session = new Session(`${pods}/one/attach?stdin=1&stdout=1`, "v5.channel.k8s.io");
    await session.opened;
    session.socket.send(encodeFrame(channel.stdin, "typed"));
    session.socket.send(closeFrame(channel.stdin));
    await session.ended;
    expect(session.output.get(channel.stdout)).toBe("attached\ntyped");
  });

  test("without an upgrade is refused", async () => {
    expect(await server.api.request("POST", `${pods}/one/exec?command=ls&stdout=1`)).toMatchObject({
      code: 400,
      body: { message: "Upgrade request required" },
    });
  });
});

describe("logs", () => {
  test("come as text; the options are handed on", async () => {
    const answer = await server.api.request("GET", `${pods}/two/log?container=b&tailLines=5&timestamps=true&pretty=true`);
    expect([answer.code, answer.headers.get("content-type"), answer.text]).toEqual([200, "text/plain", "container is alive\n"]);
    expect(server.kubelet.asked.at(-1)).toBe("/containerLogs/default/two/b?tailLines=5&timestamps=true");
  });

  test("are followed to the end", async () => {
    expect((await server.api.request("GET", `${pods}/one/log?follow=true`)).text).toBe("container is alive\nand well\n");
  });

  test("one after the other on one connection leave nothing on it", async () => {
    const warnings: Error[] = [];
    const warned = (warning: Error): void => void warnings.push(warning);
    process.on("warning", warned);
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: server.api.authority.certificate });
    const read = (): Promise<boolean> =>
      new Promise((resolve, reject) => {
        const headers = { Authorization: "Bearer admin" };
        const sent = get(`${server.api.url}${pods}/one/log`, { agent, headers }, (answer) =>
          answer.resume().once("end", () => resolve(sent.reusedSocket)),
        ).once("error", reject);
      });
    const reused: boolean[] = [];
    for (let i = 0; i < 12; i++) reused.push(await read());
    agent.destroy();
    process.off("warning", warned);
    expect(reused.filter(Boolean)).toHaveLength(11);
    expect(warnings).toEqual([]);
  });

  test("of a pod on no node are empty", async () => {
    expect(await server.api.request("GET", `${pods}/pending/log`)).toMatchObject({ code: 200, text: "" });
  });

  test.each([
    { path: "two/log", message: "a container name must be specified for pod two, choose one of: [a b gone waiting]" },
    {
      path: "one/log?tailLines=-1",
      message: 'PodLogOptions "one" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
    },
    { path: "one/log?limitBytes=0", message: 'PodLogOptions "one" is invalid: limitBytes: Invalid value: 0: must be greater than 0' },
    { path: "two/log?container=waiting", message: 'container "waiting" in pod "two" is waiting to start: ContainerCreating' },
  ])("are refused: $message", async ({ path, message }) => {
    expect((await server.api.request("GET", `${pods}/${path}`)).body.message).toBe(message);
  });

  test("come over a WebSocket without channels", async () => {
    const session = new Session(`${pods}/one/log`, "binary.k8s.io");
    const whole: Buffer[] = [];
    session.socket.on("message", (message: Buffer) => whole.push(message));
    expect(await session.ended).toBe(1000);
    expect(Buffer.concat(whole).toString()).toBe("container is alive\n");
  });
});

describe("proxy", () => {
  const echoed = (answer: { headers: Headers }) => JSON.parse(answer.headers.get("x-seen") ?? "{}");

  test.each(["pods/one:http", "pods/http:one:PORT", "services/web", "services/web:web", "services/http:web:80"])("to %s", async (place) => {
    const path = `/api/v1/namespaces/default/${place.replace("PORT", String(server.webPort))}/proxy/a%2Fb/@x_y?q=1&q=%20`;
    const answer = await server.api.request("POST", path, "body", { "x-mine": "1" });
    expect([answer.code, answer.text]).toEqual([200, "body"]);
    const { method, url, headers } = echoed(answer);
    expect([method, url, headers["x-mine"], headers.authorization]).toEqual(["POST", "/a%2Fb/@x_y?q=1&q=%20", "1", undefined]);
  });

  test("without a slash redirects to where relative links work", async () => {
    const path = "/api/v1/namespaces/default/services/web/proxy";
    const answer = await server.api.request("GET", `${path}?x=1`, undefined, { accept: "*/*" });
    // fetch has followed the redirect.
    expect(echoed(answer).url).toBe("/?x=1");
    expect(echoed(await server.api.request("POST", path)).url).toBe("/");
  });

  test("rewrites absolute links and redirects", async () => {
    const prefix = "/api/v1/namespaces/default/pods/one/proxy";
    expect((await server.api.request("GET", `${prefix}/page`)).text).toBe(
      `<html><a class="x" href="${prefix}/rewriteme">a</a><img src=${prefix}/i.png><a href="relative">b</a><a href="//other/x">c</a></html>`,
    );
    expect(echoed(await server.api.request("GET", `${prefix}/redirect`)).url).toBe("/there");
  });

  test("reaches the kubelet with the server's own certificate", async () => {
    const answer = await server.api.request("GET", "/api/v1/nodes/n1/proxy/stats/summary?x=1");
    expect(answer.body).toEqual({ method: "GET", url: "/stats/summary?x=1", client: "kube-apiserver-kubelet-client" });
  });

  test.each([
    { path: "services/none/proxy/", code: 404, message: 'services "none" not found' },
    { path: "services/web:99/proxy/", code: 503, message: 'no service port 99 found for service "web"' },
    { path: "services/web:other/proxy/", code: 503, message: 'no endpoints available for service "web"' },
    { path: "services/a:b:c:d/proxy/", code: 400, message: 'invalid service request "a:b:c:d"' },
    { path: "pods/pending/proxy/", code: 400, message: "address not allowed" },
    { path: "pods/one:1/proxy/", code: 503, message: "error trying to reach service: connect ECONNREFUSED 127.0.0.1:1" },
  ])("$path: $message", async ({ path, code, message }) => {
    expect(await server.api.request("GET", `/api/v1/namespaces/default/${path}`)).toMatchObject({ code, body: { message } });
  });

  test("lets upgraded connections through", async () => {
    const { port } = new URL(server.api.url);
    const socket = tlsConnect({ host: "127.0.0.1", port: Number(port), rejectUnauthorized: false });
    const received: Buffer[] = [];
    socket.on("data", (data) => received.push(data));
    socket.write(
      `GET ${pods}/one/proxy/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`,
    );
    await expect.poll(() => Buffer.concat(received).toString()).toContain("101 Switching Protocols");
    socket.write("ping");
    await expect.poll(() => Buffer.concat(received).toString()).toMatch(/ping$/);
    socket.destroy();
  });
});

test("port-forward over the older channels", async () => {
  const session = new Session(`${pods}/one/portforward?ports=${server.webPort}`, "v4.channel.k8s.io");
  await session.opened;
  await expect.poll(() => session.output.size).toBe(2);
  session.socket.send(Buffer.concat([Buffer.from([0]), Buffer.from("GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")]));
  await session.ended;
  expect(session.output.get(0)).toContain("HTTP/1.1 200 OK");
});
