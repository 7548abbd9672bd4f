import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Duplex } from "node:stream";
import { createSecureContext, type SecureContext } from "node:tls";
import { createProxyServer, type ProxyServer } from "httpxy";
import { ingressControllerName } from "../../api/networking/ingress-controller.ts";
import type { IngressBackend } from "../../api/types/networking.v1.ts";
import { EndpointSlices, IngressClasses, Ingresses, Secrets, Services } from "../../api/types/resources.ts";
import type { Caches } from "../../client/cache.ts";
import { endWith } from "../../lib/last-words.ts";
import type { Logger } from "../../lib/log.ts";
import { certificateFor, match, type RouteTable, routeTable } from "./routes.ts";

/** What the controller needs. */
export interface IngressOptions {
  caches: Caches;
  log: Logger;
  /** For hosts without a certificate of their own. */
  fallbackCertificate: { key: string; cert: string };
}

/** Serves Ingresses from the host's own ports: hosts, paths, TLS from Secrets, upgrades (WebSocket) passed through. */
export class IngressController {
  private readonly caches: Caches;
  private readonly log: Logger;
  private fallback: SecureContext;
  private readonly proxy: ProxyServer = createProxyServer({ xfwd: true });
  private readonly servers: Server[] = [];
  private readonly contexts = new Map<string, { version: string; context: SecureContext }>();
  private table: RouteTable | undefined;
  private turn = 0;
  private ends: (() => void)[] = [];

  constructor(options: IngressOptions) {
    this.caches = options.caches;
    this.log = options.log;
    this.fallback = createSecureContext(options.fallbackCertificate);
    this.caches
      .of(EndpointSlices)
      .addIndex("service", (slice) => [`${slice.metadata.namespace}/${slice.metadata.labels?.["kubernetes.io/service-name"] ?? ""}`]);
  }

  /** From now on with this one for hosts without a certificate of their own. */
  renew(fallbackCertificate: { key: string; cert: string }): void {
    this.fallback = createSecureContext(fallbackCertificate);
  }

  /** Follows the objects and listens. A port that somebody else holds is logged, the other one served. Gives the ports (0: not served). */
  async start(address: string, httpPort: number, httpsPort: number): Promise<{ http: number; https: number }> {
    const forget = (): void => {
      this.table = undefined;
    };
    this.ends = [this.caches.of(Ingresses).onChange(forget), this.caches.of(IngressClasses).onChange(forget)];
    const handle = (req: IncomingMessage, res: ServerResponse): void => void this.serve(req, res);
    const plain = createServer(handle);
    const secure = createTlsServer(
      { SNICallback: (host, done) => this.contextFor(host).then((context) => done(null, context), done) },
      handle,
    );
    secure.on("tlsClientError", () => {});
    return { http: await this.listen(plain, address, httpPort), https: await this.listen(secure, address, httpsPort) };
  }

  stop(): void {
    for (const end of this.ends) end();
    for (const server of this.servers) {
      server.close();
      server.closeAllConnections();
    }
  }

  private async listen(server: Server, address: string, port: number): Promise<number> {
    server.on("upgrade", (req, socket, head) => this.upgrade(req, socket, head));
    server.listen(port, address);
    try {
      await once(server, "listening");
    } catch (error) {
      this.log.warn(
        { port, error: String(error) },
        "Ingress port is not free; choose another with --ingress-http-port, --ingress-https-port",
      );
      return 0;
    }
    server.unref();
    this.servers.push(server);
    const bound = server.address();
    return typeof bound === "object" && bound ? bound.port : port;
  }

  private async serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const target = this.target(req);
    if (typeof target === "number") {
      res.writeHead(target, { "content-type": "text/plain" }).end(target === 404 ? "404 page not found\n" : "no endpoint is ready\n");
      return;
    }
    try {
      await this.proxy.web(req, res, { target });
    } catch {
      if (!res.headersSent) res.writeHead(502, { "content-type": "text/plain" });
      res.end("the backend does not answer\n");
    }
  }

  private upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    const target = this.target(req);
    if (typeof target === "number") {
      endWith(socket, `HTTP/1.1 ${target} Not Found\r\nconnection: close\r\n\r\n`);
      return;
    }
    socket.on("error", () => socket.destroy());
    // httpxy wants a net.Socket; node's upgrade event hands one over under its wider type.
    this.proxy.ws(req, socket as never, { target }, head).catch(() => socket.destroy());
  }

  private target(req: IncomingMessage): string | number {
    this.table ??= routeTable(
      this.caches
        .of(Ingresses)
        .list()
        .filter((ingress) => this.isOurs(ingress.spec.ingressClassName)),
    );
    const path = (req.url ?? "/").split("?")[0] ?? "/";
    const route = match(this.table, req.headers.host ?? "", path);
    if (!route) return 404;
    return this.endpoint(route.namespace, route.backend) ?? 503;
  }

  private isOurs(className: string | undefined): boolean {
    return className !== undefined && this.caches.of(IngressClasses).get(undefined, className)?.spec.controller === ingressControllerName;
  }

  private endpoint(namespace: string, backend: IngressBackend): string | undefined {
    const wanted = backend.service;
    const service = wanted && this.caches.of(Services).get(namespace, wanted.name);
    const port = service?.spec.ports?.find((p) => (wanted?.port?.name ? p.name === wanted.port.name : p.port === wanted?.port?.number));
    if (!service || !port) return undefined;
    if (service.spec.type === "ExternalName") return `http://${service.spec.externalName}:${port.port}`;
    const ready: string[] = [];
    for (const slice of this.caches.of(EndpointSlices).byIndex("service", `${namespace}/${service.metadata.name}`)) {
      const number = slice.ports?.find((p) => (p.name ?? "") === (port.name ?? ""))?.port;
      if (number === undefined) continue;
      for (const endpoint of slice.endpoints ?? [])
        if (endpoint.conditions?.ready !== false) ready.push(...endpoint.addresses.map((ip) => `http://${ip}:${number}`));
    }
    this.turn += 1;
    return ready[this.turn % Math.max(ready.length, 1)];
  }

  private async contextFor(host: string): Promise<SecureContext> {
    this.table ??= routeTable(
      this.caches
        .of(Ingresses)
        .list()
        .filter((ingress) => this.isOurs(ingress.spec.ingressClassName)),
    );
    const named = certificateFor(this.table, host);
    const secret = named && this.caches.of(Secrets).get(named.namespace, named.secret);
    const [key, cert] = ["tls.key", "tls.crt"].map((name) => secret?.data?.[name]);
    if (!secret || !key || !cert) return this.fallback;
    const id = `${secret.metadata.namespace}/${secret.metadata.name}`;
    const known = this.contexts.get(id);
    if (known?.version === secret.metadata.resourceVersion) return known.context;
    const context = createSecureContext({ key: Buffer.from(key, "base64"), cert: Buffer.from(cert, "base64") });
    this.contexts.set(id, { version: secret.metadata.resourceVersion, context });
    return context;
  }
}
