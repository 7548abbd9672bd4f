import { type RequestOptions, request as httpsRequest } from "node:https";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { configMap, type RunningServer, startServer } from "../running-server.ts";

const maps = "/api/v1/namespaces/default/configmaps";
let running: RunningServer;
beforeAll(async () => {
  running = await startServer();
  for (let i = 0; i < 40; i++) await running.request("POST", maps, configMap(`m-${i}`, { text: `${i} \u00fc `.repeat(1000) }));
  await running.request("POST", maps, configMap("large", { text: "x".repeat(200_000) }));
});
afterAll(() => running.stop());

interface Answer {
  encoding: string | undefined;
  length: string | undefined;
  vary: string | undefined;
  body: Buffer;
}

/** A request from another address of the machine than the server's: to the server that is another machine. */
function ask(path: string, options: RequestOptions = {}): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const headers = { authorization: "Bearer admin", "accept-encoding": "gzip", ...options.headers };
  const elsewhere = { localAddress: "127.0.0.2", rejectUnauthorized: false, agent: false as const };
  const sent = httpsRequest(running.url + path, { ...elsewhere, ...options, headers }, (response) => {
    const parts: Buffer[] = [];
    const { "content-encoding": encoding, "content-length": length, vary } = response.headers;
    response
      .on("data", (part: Buffer) => parts.push(part))
      .on("end", () => resolve({ encoding, length, vary, body: Buffer.concat(parts) }));
  });
  sent.on("error", reject).end();
  return promise;
}

describe("gzip", () => {
  test.each([maps, `${maps}/large`, "/openapi/v2", `${maps}?limit=30`])("of a long answer: %s", async (path) => {
    const { encoding, vary, body } = await ask(path);
    expect(encoding).toBe("gzip");
    expect(vary).toContain("Accept-Encoding");
    const plain = await ask(path, { headers: { "accept-encoding": "identity" } });
    expect(plain.encoding).toBeUndefined();
    expect(body.length).toBeLessThan(plain.body.length / 3);
    expect(gunzipSync(body).equals(plain.body)).toBe(true);
  });

  test("of a list in protobuf", async () => {
    const accept = "application/vnd.kubernetes.protobuf";
    const { encoding, body } = await ask(maps, { headers: { accept } });
    expect(encoding).toBe("gzip");
    expect(gunzipSync(body).equals((await ask(maps, { headers: { accept, "accept-encoding": "" } })).body)).toBe(true);
  });

  test.each([
    ["short answers", `${maps}/m-1`, {}],
    ["clients that do not take it", maps, { headers: { "accept-encoding": "br, gzip;q=0" } }],
    ["clients on this machine", maps, { localAddress: "127.0.0.1" }],
  ])("not for %s", async (_what, path, options) => {
    expect((await ask(path, options)).encoding).toBeUndefined();
  });
});
