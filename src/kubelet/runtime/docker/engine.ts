import { Agent, type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { sendRequest } from "../../http-head.ts";
import { NotFoundError } from "../runtime.ts";

/** What hue writes on everything that it makes in the engine, and finds it by again. */
export const label = {
  node: "hue.node",
  dataDir: "hue.data-dir",
  /** "sandbox", "container", "network", "unpack". */
  kind: "hue.kind",
  attempt: "hue.attempt",
  /** A sandbox's address; empty with hostNetwork. */
  ip: "hue.ip",
  specHash: "hue.spec-hash",
  sandbox: "hue.sandbox",
  image: "hue.image",
  imageId: "hue.image-id",
  annotation: "hue.annotation.",
  podUid: "io.kubernetes.pod.uid",
  podName: "io.kubernetes.pod.name",
  podNamespace: "io.kubernetes.pod.namespace",
  container: "io.kubernetes.container.name",
} as const;

/** The engine has refused something, in its own words; a 404 is a NotFoundError instead. */
export class EngineError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** What goes with a request: filters and other objects of the query, and a body that is no Buffer, are sent as JSON. */
export interface EngineRequest {
  query?: Record<string, string | number | boolean | object | undefined>;
  body?: object;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

const defaultSocket = "/var/run/docker.sock";

/** The API of a Docker Engine (20.10 or later), over few connections that stay open. All calls reject with EngineError or NotFoundError. */
export class Engine {
  private readonly agent = new Agent({ keepAlive: true, maxFreeSockets: 8 });
  private readonly at: { socketPath: string } | { host: string; port: number };

  /** A socket's path, or unix:// or tcp://; default: DOCKER_HOST, else this machine's. */
  constructor(host = process.env["DOCKER_HOST"] || defaultSocket) {
    const url = /^(tcp|http):\/\//.test(host) ? new URL(host) : undefined;
    this.at = url
      ? { host: url.hostname, port: Number(url.port || 2375) }
      : { socketPath: host.replace(/^unix:\/\//, "") || defaultSocket };
  }

  /** The reply's JSON, undefined when it is empty. T is what the engine's API documents for the path. */
  async call<T = unknown>(method: string, path: string, options: EngineRequest = {}): Promise<T> {
    const reply = await text(await this.stream(method, path, options));
    return (reply === "" ? undefined : JSON.parse(reply)) as T; // the engine's documented reply
  }

  /** The reply as it comes. */
  stream(method: string, path: string, options: EngineRequest = {}): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      this.send(method, path, options, reject).on("response", (reply) => settle(reply, resolve, reject));
    });
  }

  /** Sends, and takes over the connection: what is written goes to a process, what comes is its output. */
  async hijack(path: string, { query, body }: Pick<EngineRequest, "query" | "body"> = {}): Promise<Socket> {
    const data = body ? JSON.stringify(body) : "";
    const socket = connect("socketPath" in this.at ? { path: this.at.socketPath } : this.at);
    const head = `POST ${path}${queryText(query)} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n`;
    const length = Buffer.byteLength(data);
    const { status } = await sendRequest(socket, `${head}Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${data}`);
    if (status === 101) return socket;
    const reply = await text(socket.end());
    throw refusal(status, reply);
  }

  private send(method: string, path: string, { query, body, headers, signal }: EngineRequest, failed: (error: Error) => void) {
    const data = Buffer.isBuffer(body) ? body : Buffer.from(body ? JSON.stringify(body) : "");
    const type = Buffer.isBuffer(body) ? "application/x-tar" : "application/json";
    const sent = request({
      ...this.at,
      agent: this.agent,
      method,
      path: path + queryText(query),
      headers: { Host: "docker", ...(body ? { "Content-Type": type } : {}), "Content-Length": data.length, ...headers },
      ...(signal ? { signal } : {}),
    });
    sent.on("error", failed);
    sent.end(data);
    return sent;
  }

  /** Closes the connections that nobody uses. */
  close(): void {
    this.agent.destroy();
  }
}

function queryText(query: EngineRequest["query"] = {}): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encodeURIComponent(typeof value === "object" ? JSON.stringify(value) : String(value))}`],
  );
  return pairs.length > 0 ? `?${pairs.join("&")}` : "";
}

function settle(reply: IncomingMessage, resolve: (reply: IncomingMessage) => void, reject: (error: Error) => void): void {
  const status = reply.statusCode ?? 0;
  if (status >= 200 && status < 300) resolve(reply);
  else text(reply).then((body) => reject(refusal(status, body)), reject);
}

/** In the words that users of Docker know. */
function refusal(status: number, body: string): Error {
  let words = body.trim();
  try {
    words = (JSON.parse(body) as { message?: string }).message ?? words; // the engine's documented reply
  } catch {
    // What stands between hue and the engine need not speak JSON.
  }
  const message = `Error response from daemon: ${words}`;
  return status === 404 ? new NotFoundError(message) : new EngineError(status, message);
}

/** The value, or undefined when the engine has no such thing. */
export async function ifFound<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}

/** Does it; that the thing is not there, or is already in the wanted state (304, or 409 "is already in progress"), is fine. */
export async function idempotent(call: Promise<unknown>): Promise<void> {
  try {
    await ifFound(call);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    if (error.status !== 304 && !(error.status === 409 && /already in progress|is not running/.test(error.message))) throw error;
  }
}
