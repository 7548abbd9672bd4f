import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { type WebSocket, WebSocketServer } from "ws";
import { kubeletProtocol } from "../../api/streaming/channels.ts";
import { endWith } from "../../lib/last-words.ts";
import { NotFoundError } from "../runtime/runtime.ts";
import { serveLogs } from "./logs.ts";
import { serveCadvisor, serveResourceMetrics } from "./metrics.ts";
import { forwardPort } from "./port-forward.ts";
import { remoteCommand } from "./remote-command.ts";
import { HTTPError, reasonOf, type ServerContext } from "./server-context.ts";
import { StatsReader } from "./stats.ts";

/** How the kubelet's server is reached and whom it believes. */
export interface ServingOptions {
  /** PEM; KubeletServer.renew replaces them. */
  key: string;
  certificate: string;
  /** PEM of the authority that API servers' client certificates are from. */
  clientCA: string;
  /** 0: any free port. */
  port: number;
  /** Default: all addresses. */
  address?: string;
}

/** The kubelet's HTTPS server: what API servers ask of a node. Nobody else gets an answer. */
export class KubeletServer {
  port = 0;
  private readonly options: ServingOptions;
  private readonly context: ServerContext;
  private readonly stats: StatsReader;
  private readonly https: Server;
  private readonly sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (offered) => (offered.has(kubeletProtocol) ? kubeletProtocol : false),
  });

  constructor(options: ServingOptions, context: ServerContext) {
    this.options = options;
    this.context = context;
    this.stats = new StatsReader(context);
    const { key, certificate, clientCA } = options;
    this.https = createServer({
      key,
      cert: certificate,
      ca: clientCA,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: "TLSv1.2",
    });
    this.https.on("request", (request, response) => void this.serve(request, response));
    this.https.on("upgrade", (request, socket, head) => this.upgrade(request, socket, head));
  }

  /** Listens; rejects when the port is taken. */
  async start(): Promise<void> {
    this.https.listen(this.options.port, this.options.address);
    await once(this.https, "listening");
    this.https.unref();
    const address = this.https.address();
    this.port = typeof address === "object" && address ? address.port : this.options.port;
  }

  /** From now on with this certificate. */
  renew(key: string, certificate: string): void {
    this.https.setSecureContext({ key, cert: certificate, ca: this.options.clientCA });
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets.clients) socket.terminate();
    this.https.closeAllConnections();
    await new Promise<void>((resolve) => this.https.close(() => resolve()));
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "https://kubelet");
    try {
      if (url.pathname === "/healthz" || url.pathname === "/healthz/ping") return void response.end("ok");
      if (!isApiServer(request)) throw new HTTPError(401, "Unauthorized");
      await this.route(url, request, response);
    } catch (error) {
      const status = error instanceof HTTPError ? error.status : error instanceof NotFoundError ? 404 : 500;
      if (response.headersSent) response.destroy();
      else
        response
          .writeHead(status, { "Content-Type": "text/plain; charset=utf-8" })
          .end(error instanceof Error ? error.message : String(error));
    }
  }

  private async route(url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [first = "", ...rest] = url.pathname.slice(1).split("/").map(decodeURIComponent);
    const json = (value: unknown): unknown => response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(value));
    const text = (value: string): unknown => response.writeHead(200, { "Content-Type": "text/plain; version=0.0.4" }).end(value);
    switch (first) {
      case "containerLogs":
        return serveLogs(this.context, rest, url.searchParams, response);
      case "pods":
        json({ apiVersion: "v1", kind: "PodList", metadata: {}, items: this.context.pods() });
        return;
      case "runningpods":
        json({ apiVersion: "v1", kind: "PodList", metadata: {}, items: this.context.pods().filter((p) => p.status.phase === "Running") });
        return;
      case "configz":
        json({
          kubeletconfig: {
            kind: "KubeletConfiguration",
            apiVersion: "kubelet.config.k8s.io/v1beta1",
            clusterDNS: this.context.clusterDNS,
            clusterDomain: this.context.clusterDomain,
            maxPods: 110,
            containerLogMaxSize: "10Mi",
            containerLogMaxFiles: 5,
          },
        });
        return;
      case "stats":
        if (rest[0] !== "summary") break;
        json(await this.stats.summary());
        return;
      case "metrics":
        if (rest[0] === "resource") text(serveResourceMetrics(await this.stats.read(), this.context));
        else if (rest[0] === "cadvisor") text(serveCadvisor(await this.stats.read()));
        else if (rest[0] === undefined) text(serveResourceMetrics(await this.stats.read(), this.context));
        else break;
        return;
    }
    void request;
    throw new HTTPError(404, "404 page not found");
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const url = new URL(request.url ?? "/", "https://kubelet");
    const [first = "", ...rest] = url.pathname.slice(1).split("/").map(decodeURIComponent);
    const handlers: Record<string, (ws: WebSocket) => Promise<void>> = {
      exec: (ws) => remoteCommand(this.context, "exec", rest, url.searchParams, ws),
      attach: (ws) => remoteCommand(this.context, "attach", rest, url.searchParams, ws),
      portForward: (ws) => forwardPort(this.context, rest, url.searchParams, ws),
    };
    const handler = Object.hasOwn(handlers, first) ? handlers[first] : undefined;
    if (!isApiServer(request) || !handler) {
      const [status, words] = handler ? [401, "Unauthorized"] : [404, "Not Found"];
      endWith(socket, `HTTP/1.1 ${status} ${words}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    socket.on("error", () => {});
    this.sockets.handleUpgrade(request, socket, head, (ws) => {
      ws.on("error", () => {});
      void handler(ws).catch((error: unknown) => ws.close(1011, reasonOf(error)));
    });
  }
}

/** Only API servers and administrators: by a certificate of the client authority. */
function isApiServer(request: IncomingMessage): boolean {
  const socket = request.socket as TLSSocket; // the server speaks TLS only
  if (!socket.authorized) return false;
  const { subject } = socket.getPeerCertificate();
  const groups = [subject?.O ?? []].flat();
  return subject?.CN === "kube-apiserver-kubelet-client" || groups.includes("system:masters");
}
