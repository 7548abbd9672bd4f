import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type ServerHttp2Session } from "node:http2";
import { message } from "../../../../src/api/schema/wire.ts";
import { annotationFields, bytesOf, readFields, textOf } from "../../../../src/apiserver/encryption/kms-client.ts";

/** A KMS v2 plugin on a unix socket, with keys of its own. */
export interface KmsPlugin {
  /** What it encrypts with; a new name is a new key. */
  keyId: string;
  healthz: string;
  /** The methods called so far. */
  calls: string[];
  stop(): Promise<void>;
}

export async function startKmsPlugin(socket: string, keys = new Map<string, Buffer>()): Promise<KmsPlugin> {
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer();
  const plugin: KmsPlugin = {
    keyId: "one",
    healthz: "ok",
    calls: [],
    async stop() {
      for (const session of sessions) session.destroy();
      server.close();
      await once(server, "close");
    },
  };
  const keyOf = (id: string): Buffer => {
    const key = keys.get(id) ?? randomBytes(32);
    keys.set(id, key);
    return key;
  };
  const methods: Record<string, (fields: Map<number, Buffer[]>) => Buffer> = {
    Status: () =>
      message([
        [1, "v2"],
        [2, plugin.healthz],
        [3, plugin.keyId],
      ]),
    Encrypt(fields) {
      const iv = randomBytes(16);
      const cipher = createCipheriv("aes-256-ctr", keyOf(plugin.keyId), iv);
      return message([
        [1, Buffer.concat([iv, cipher.update(bytesOf(fields, 1))])],
        [2, plugin.keyId],
        ...annotationFields(3, new Map([["kms.example.com/hsm", Buffer.from("7")]])),
      ]);
    },
    Decrypt(fields) {
      const key = keys.get(textOf(fields, 3));
      const [annotation] = fields.get(4) ?? [];
      if (!key || !annotation || bytesOf(readFields(annotation), 2).toString() !== "7") throw new Error("unknown key");
      const sealed = bytesOf(fields, 1);
      return message([[1, createDecipheriv("aes-256-ctr", key, sealed.subarray(0, 16)).update(sealed.subarray(16))]]);
    },
  };
  server.on("session", (session) => sessions.add(session));
  server.on("stream", async (stream, headers) => {
    const method = String(headers[":path"]).replace("/v2.KeyManagementService/", "");
    plugin.calls.push(method);
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    const end = (trailers: Record<string, string>, body?: Buffer): void => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers(trailers));
      const head = Buffer.alloc(5);
      head.writeUInt32BE(body?.length ?? 0, 1);
      stream.end(body && Buffer.concat([head, body]));
    };
    try {
      const body = methods[method]?.(readFields(Buffer.concat(chunks).subarray(5)));
      end({ "grpc-status": "0" }, body);
    } catch (error) {
      end({ "grpc-status": "2", "grpc-message": encodeURIComponent(error instanceof Error ? error.message : "") });
    }
  });
  server.listen(socket);
  await once(server, "listening");
  return plugin;
}
