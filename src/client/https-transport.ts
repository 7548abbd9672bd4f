import { readFileSync } from "node:fs";
import { Agent, type Dispatcher } from "undici";
import { StatusError, serviceUnavailable } from "../api/errors.ts";
import type { KubeList, KubeObject } from "../api/meta/object.ts";
import type { Status } from "../api/types/meta.v1.ts";
import type { DeleteOptions, PatchType, RequestOptions, Target, Transport, WatchEvent, WatchHandler } from "./transport.ts";

/** Where the API server is, and who calls. Certificates and keys in PEM. */
export interface HttpsTransportOptions {
  /** "https://10.0.0.1:6443" */
  server: string;
  /** The authority of the server's certificate; left out: the machine's own. */
  ca?: string;
  /** The client's certificate and key; a function gives renewed ones to new connections. */
  certificate?: { cert: string; key: string } | (() => { cert: string; key: string });
  token?: string;
  /** A file that holds the token; read again when a request is refused, and once a minute at most. */
  tokenFile?: string;
  userAgent?: string;
  /** Milliseconds since 1970; for the age of the token. Default Date.now. */
  now?: () => number;
}

const patchContentTypes: Record<PatchType, string> = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
};
const tokenAge = 60_000;

/** The way to an API server over HTTPS, on connections that are kept. */
export function createHttpsTransport(options: HttpsTransportOptions): Transport {
  return new HttpsTransport(options);
}

interface Sent {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  path: string;
  body?: unknown;
  contentType?: string;
  signal?: AbortSignal | undefined;
}

class HttpsTransport implements Transport {
  private readonly options: HttpsTransportOptions;
  private readonly agent: Agent;
  private readonly stops = new Set<() => void>();
  private token: { text: string; read: number } | undefined;

  constructor(options: HttpsTransportOptions) {
    this.options = options;
    const { certificate } = options;
    const identity = typeof certificate === "function" ? certificate() : certificate;
    this.agent = new Agent({
      connect: { ...(options.ca ? { ca: options.ca } : {}), ...(identity ?? {}) },
      keepAliveTimeout: 60_000,
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  get(target: Target, options: RequestOptions = {}): Promise<KubeObject> {
    return this.call({ method: "GET", path: pathOf(target, options), signal: options.signal });
  }

  list(target: Target, options: RequestOptions = {}): Promise<KubeList> {
    return this.call({ method: "GET", path: pathOf(target, options), signal: options.signal });
  }

  create(target: Target, object: unknown, options: RequestOptions = {}): Promise<KubeObject> {
    // The name of a collection's new object is in its metadata, and not in the path.
    const path = pathOf(target.subresource ? target : { ...target, name: undefined }, options);
    return this.call({ method: "POST", path, body: object, signal: options.signal });
  }

  update(target: Target, object: unknown, options: RequestOptions = {}): Promise<KubeObject> {
    return this.call({ method: "PUT", path: pathOf(target, options), body: object, signal: options.signal });
  }

  patch(target: Target, type: PatchType, patch: unknown, options: RequestOptions = {}): Promise<KubeObject> {
    const fieldManager = options.fieldManager ?? (type === "apply" ? "hue" : undefined);
    const path = pathOf(target, { ...options, fieldManager });
    return this.call({ method: "PATCH", path, body: patch, contentType: patchContentTypes[type], signal: options.signal });
  }

  delete(target: Target, body?: DeleteOptions, options: RequestOptions = {}): Promise<KubeObject> {
    const path = pathOf(target, { dryRun: body?.dryRun, ...options });
    return this.call({ method: "DELETE", path, body: deleteBody(body), signal: options.signal });
  }

  deleteCollection(target: Target, body?: DeleteOptions, options: RequestOptions = {}): Promise<KubeObject> {
    const path = pathOf({ ...target, name: undefined }, { dryRun: body?.dryRun, ...options });
    return this.call({ method: "DELETE", path, body: deleteBody(body), signal: options.signal });
  }

  watch(target: Target, handler: WatchHandler, options: RequestOptions = {}): () => void {
    const abort = new AbortController();
    const stop = (): void => {
      this.stops.delete(stop);
      abort.abort();
    };
    this.stops.add(stop);
    const initial: Record<string, string> = options.resourceVersion
      ? {}
      : { sendInitialEvents: "true", resourceVersionMatch: "NotOlderThan" };
    const path = pathOf(target, options, { watch: "true", allowWatchBookmarks: "true", ...initial });
    this.stream(path, handler, abort.signal).then(
      () => this.ended(stop, abort, handler, undefined),
      (error: unknown) => this.ended(stop, abort, handler, error),
    );
    return stop;
  }

  close(): void {
    for (const stop of [...this.stops]) stop();
    void this.agent.destroy();
  }

  private ended(stop: () => void, abort: AbortController, handler: WatchHandler, error: unknown): void {
    if (abort.signal.aborted) return;
    stop();
    handler.closed(error);
  }

  /** Reads events until the server ends the stream. Throws what ended it otherwise. */
  private async stream(path: string, handler: WatchHandler, signal: AbortSignal): Promise<void> {
    const { body } = await this.send({ method: "GET", path, signal });
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of body) {
      const text = rest + decoder.decode(chunk, { stream: true });
      const lines = text.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (signal.aborted) return;
        if (line) deliver(handler, JSON.parse(line));
      }
    }
  }

  private async call<T>(sent: Sent): Promise<T> {
    const { body } = await this.send(sent);
    return (await body.json()) as T; // The server answers with what its API promises for the path.
  }

  /** Sends; once more with a fresh token when the server does not know the caller. Throws a StatusError for any answer but success. */
  private async send(sent: Sent, again = true): Promise<Dispatcher.ResponseData> {
    const response = await this.dispatch(sent);
    if (response.statusCode < 300) return response;
    const text = await response.body.text();
    if (response.statusCode === 401 && again && this.options.tokenFile) {
      this.token = undefined;
      return this.send(sent, false);
    }
    throw new StatusError(statusOf(response.statusCode, text));
  }

  private async dispatch({ method, path, body, contentType = "application/json", signal }: Sent): Promise<Dispatcher.ResponseData> {
    const headers: Record<string, string> = { accept: "application/json", "user-agent": this.options.userAgent ?? "hue" };
    const token = this.currentToken();
    if (token) headers.authorization = `Bearer ${token}`;
    if (body !== undefined) headers["content-type"] = contentType;
    try {
      return await this.agent.request({
        origin: this.options.server,
        method,
        path,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal ? { signal } : {}),
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw serviceUnavailable(`${this.options.server} cannot be reached: ${error instanceof Error ? error.message : error}`);
    }
  }

  private currentToken(): string | undefined {
    const { token, tokenFile, now = Date.now } = this.options;
    if (!tokenFile) return token;
    if (!this.token || now() - this.token.read > tokenAge) this.token = { text: readFileSync(tokenFile, "utf8").trim(), read: now() };
    return this.token.text;
  }
}

function deliver(handler: WatchHandler, event: WatchEvent | { type: "ERROR"; object: Status }): void {
  if (event.type === "ERROR") throw new StatusError(event.object);
  handler.event(event);
  const annotations = event.type === "BOOKMARK" ? event.object.metadata.annotations : undefined;
  if (annotations?.["k8s.io/initial-events-end"] === "true") handler.synced();
}

function deleteBody(options: DeleteOptions | undefined): unknown {
  if (!options) return undefined;
  const { dryRun: _inQuery, ...body } = options;
  return { apiVersion: "v1", kind: "DeleteOptions", ...body };
}

function pathOf(target: Target, options: RequestOptions, more: Record<string, string> = {}): string {
  const { resource, namespace, name, subresource } = target;
  const root = resource.group ? `/apis/${resource.groupVersion}` : `/api/${resource.version}`;
  const parts = [root, ...(namespace && resource.namespaced ? ["namespaces", encodeURIComponent(namespace)] : []), resource.plural];
  if (name) parts.push(encodeURIComponent(name));
  if (subresource) parts.push(subresource);
  const query = new URLSearchParams(more);
  const { dryRun, signal: _signal, ...rest } = options;
  for (const [key, value] of Object.entries(rest)) if (value !== undefined) query.set(key, String(value));
  if (dryRun) query.set("dryRun", "All");
  const text = query.toString();
  return `${parts.join("/")}${text ? `?${text}` : ""}`;
}

/** The Status in an answer, or one made of its code where a proxy answered. */
function statusOf(code: number, text: string): Partial<Status> {
  try {
    const parsed: Partial<Status> = JSON.parse(text);
    if (parsed.kind === "Status") return { code, ...parsed };
  } catch {
    // Not JSON: told as text below.
  }
  return { code, reason: code === 404 ? "NotFound" : "", message: text.trim() || `the server answered with ${code}` };
}
