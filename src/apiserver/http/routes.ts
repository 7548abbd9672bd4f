import type { IncomingMessage, ServerResponse } from "node:http";
import { getRequestListener, type HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { discoveryTransforms, negotiate } from "../../api/codec/accept.ts";
import { encode } from "../../api/codec/encode.ts";
import { unknownResource } from "../../api/errors.ts";
import type { ExtraResource, OpenApiDocument } from "../../api/schema/openapi-documents.ts";
import { openApiV2 } from "../../api/schema/openapi-v2.ts";
import { openApiV2Protobuf, openApiV2ProtobufAccept, openApiV2ProtobufType } from "../../api/schema/openapi-v2-protobuf.ts";
import { openApiV3, openApiV3Index } from "../../api/schema/openapi-v3.ts";
import type { Authentication } from "../authentication/index.ts";
import { AggregatedDiscovery } from "../discovery/aggregated.ts";
import { apiGroup, apiGroupList, apiResourceList, apiVersions } from "../discovery/resource-lists.ts";
import type { Health, HealthEndpoint } from "../health.ts";
import type { Metrics } from "../metrics.ts";
import type { Registry } from "../registry.ts";
import { isTrue } from "../request-path.ts";

/** What the routes show. */
export interface RouteParts {
  registry: Registry;
  health: Health;
  metrics: Metrics;
  version: object;
  /** The custom resources in the OpenAPI documents. */
  customResources(): ExtraResource[];
  authentication: Pick<Authentication, "openidConfiguration" | "jsonWebKeySet">;
  /** "10.0.0.1:6443" */
  serverAddress(): string;
}

type Env = { Bindings: HttpBindings };
type Reply = Response | Promise<Response>;

/** Everything that the server answers beside resources: discovery, health, version, metrics, OpenAPI, token keys. */
export function createRoutes(parts: RouteParts): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const app = new Hono<Env>({ strict: false });
  app.use(async (context, next) => {
    await next();
    context.res.headers.set("Cache-Control", "no-cache, private");
  });
  discoveryRoutes(app, parts);
  healthRoutes(app, parts);
  openapiRoutes(app, parts);
  app.get("/version", (context) => json(context, parts.version));
  app.get("/metrics", async (context) => {
    const { text, contentType } = await parts.metrics.text();
    return context.body(text, 200, { "Content-Type": contentType });
  });
  app.get("/.well-known/openid-configuration", (context) => json(context, parts.authentication.openidConfiguration()));
  app.get("/openid/v1/jwks", (context) => {
    context.header("Content-Type", "application/jwk-set+json");
    return context.body(JSON.stringify(parts.authentication.jsonWebKeySet()));
  });
  app.get("/", (context) => json(context, { paths: paths(parts) }));
  app.notFound((context) => context.text("404 page not found\n", 404));
  return getRequestListener(app.fetch, { overrideGlobalObjects: false });
}

function discoveryRoutes(app: Hono<Env>, parts: RouteParts): void {
  const { registry } = parts;
  const aggregated = new AggregatedDiscovery(registry);
  const root = (name: "api" | "apis", legacy: () => object) => (context: Context<Env>) => {
    const accepted = negotiate(context.req.header("accept"), discoveryTransforms);
    if (!accepted.as) return json(context, legacy());
    context.header("Vary", "Accept");
    return document(context, { ...aggregated.document(name, accepted.as.version), contentType: accepted.contentType });
  };
  app.get(
    "/api",
    root("api", () => apiVersions(parts.serverAddress())),
  );
  app.get(
    "/apis",
    root("apis", () => apiGroupList(registry)),
  );
  app.get("/api/v1", (context) => found(context, apiResourceList(registry, "v1")));
  app.get("/apis/:group", (context) => found(context, apiGroup(registry, context.req.param("group"))));
  app.get("/apis/:group/:version", (context) => {
    const { group, version } = context.req.param();
    const list = apiResourceList(registry, `${group}/${version}`);
    if (list || !registry.hasGroup(group)) return found(context, list);
    context.status(404);
    return json(context, unknownResource().status);
  });
}

function healthRoutes(app: Hono<Env>, { health }: RouteParts): void {
  for (const endpoint of ["healthz", "livez", "readyz"] as const satisfies readonly HealthEndpoint[]) {
    app.get(`/${endpoint}`, (context) => {
      const verbose = isTrue(context.req.query("verbose") ?? null);
      const { code, text } = health.all(endpoint, { verbose, exclude: context.req.queries("exclude") ?? [] });
      return plain(text, code);
    });
    app.get(`/${endpoint}/*`, (context) => {
      const answer = health.one(endpoint, context.req.path.slice(endpoint.length + 2));
      return answer ? plain(answer.text, answer.code) : context.notFound();
    });
  }
}

function openapiRoutes(app: Hono<Env>, { registry, customResources }: RouteParts): void {
  const current = documentsOf(registry, customResources);
  const jsonDocument = (context: Context<Env>, made: OpenApiDocument): Reply =>
    document(context, { text: made.body, etag: made.etag, contentType: "application/json" });
  app.get("/openapi/v2", (context) => {
    context.header("Vary", "Accept");
    if (!context.req.header("accept")?.includes(openApiV2ProtobufAccept)) return jsonDocument(context, current("v2", openApiV2));
    const made = current("v2 protobuf", openApiV2Protobuf);
    return document(context, { text: made.body, etag: made.etag, contentType: openApiV2ProtobufType });
  });
  app.get("/openapi/v3", (context) =>
    jsonDocument(
      context,
      current("v3", (extras) => openApiV3Index(extras, registry.remoteDocuments())),
    ),
  );
  app.get("/openapi/v3/*", (context) => {
    const path = context.req.path.slice("/openapi/v3/".length);
    const [, group = "", version = ""] = path.split("/");
    const made = current(`v3 ${path}`, (extras) =>
      openApiV3(
        path,
        extras.filter(({ resource }) => resource.group === group && resource.version === version),
      ),
    );
    return made ? jsonDocument(context, made) : context.notFound();
  });
}

/** Makes each document once for every state of the registry. */
function documentsOf(registry: Registry, extras: () => ExtraResource[]) {
  let generation = -1;
  const made = new Map<string, unknown>();
  return <T>(name: string, make: (extras: ExtraResource[]) => T): T => {
    if (generation !== registry.generation) made.clear();
    generation = registry.generation;
    if (!made.has(name)) made.set(name, make(extras()));
    return made.get(name) as T; // Each name is always made by the same function.
  };
}

function json(context: Context<Env>, value: object): Reply {
  const accepted = negotiate(context.req.header("accept"), () => false);
  context.header("Content-Type", accepted.contentType);
  return context.body(encode(value, accepted));
}

function found(context: Context<Env>, value: object | undefined): Reply {
  return value ? json(context, value) : context.notFound();
}

function plain(text: string, code: number): Reply {
  const headers = { "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff" };
  return new Response(text, { status: code, headers });
}

/** A document by its ETag: 304 when the client has it. */
function document(context: Context<Env>, { text, etag, contentType }: { text: string | Buffer; etag: string; contentType: string }): Reply {
  context.header("ETag", etag);
  if (context.req.header("if-none-match") === etag) return context.body(null, 304);
  context.header("Content-Type", contentType);
  return context.body(typeof text === "string" ? text : new Uint8Array(text));
}

function paths({ registry, health }: RouteParts): string[] {
  const groups = registry
    .groups()
    .flatMap(({ name, versions }) => [`/apis/${name}`, ...versions.map((version) => `/apis/${name}/${version}`)]);
  const others = ["/.well-known/openid-configuration", "/api", "/api/v1", "/apis", "/apis/", "/metrics", "/openapi/v2", "/openapi/v3"];
  return [...others, ...groups, ...health.paths(), "/openapi/v3/", "/openid/v1/jwks", "/version"].sort();
}
