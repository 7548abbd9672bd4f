import type { IncomingMessage } from "node:http";
import { type Accepted, discoveryTransforms, negotiate, noTransforms } from "../../api/codec/accept.ts";
import { encode } from "../../api/codec/encode.ts";
import { encodeProtobuf, protobufType } from "../../api/codec/protobuf.ts";
import { unknownResource } from "../../api/errors.ts";
import type { ExtraResource, OpenApiDocument } from "../../api/schema/openapi-documents.ts";
import { openApiV2 } from "../../api/schema/openapi-v2.ts";
import { openApiV2Protobuf, openApiV2ProtobufAccept, openApiV2ProtobufType } from "../../api/schema/openapi-v2-protobuf.ts";
import { openApiV3, openApiV3Index } from "../../api/schema/openapi-v3.ts";
import type { Authentication } from "../authentication/index.ts";
import { AggregatedDiscovery } from "../discovery/aggregated.ts";
import { apiGroup, apiGroupList, apiResourceList, apiVersions } from "../discovery/resource-lists.ts";
import type { Health, HealthAnswer } from "../health.ts";
import type { Metrics } from "../metrics.ts";
import type { Registry } from "../registry.ts";
import { isTrue } from "../request-path.ts";
import type { Responder } from "./reply.ts";

/** What the routes show. */
export interface RouteParts {
  registry: Registry;
  health: Health;
  metrics: Metrics;
  /** The pages about priority and fairness, by name. */
  dump(page: string): string | undefined;
  version: object;
  /** The custom resources in the OpenAPI documents. */
  customResources(): ExtraResource[];
  authentication: Pick<Authentication, "openidConfiguration" | "jsonWebKeySet">;
  /** "10.0.0.1:6443" */
  serverAddress(): string;
}

/** A request for something that is no resource. */
export interface PageRequest {
  path: { path: string };
  query: URLSearchParams;
  request: IncomingMessage;
  responder: Responder;
}

/** An answer before it is sent. */
interface Page {
  code?: number;
  contentType: string;
  body: string | Buffer;
  /** Other headers: names and values one after the other. */
  headers?: string[];
  /** Clients that have the document of this tag get a 304. */
  etag?: string;
}

/** Gives the page, or undefined where there is none. `names` are the parts of the path that the route leaves open. */
type Route = (asked: PageRequest, ...names: string[]) => Page | undefined;

/** Answers everything beside resources: discovery, health, version, metrics, OpenAPI, token keys. */
export function createRoutes(parts: RouteParts): (asked: PageRequest) => void {
  const routes: [RegExp, Route][] = [
    ...healthRoutes(parts),
    ...discoveryRoutes(parts),
    ...openapiRoutes(parts),
    [/^\/version$/, (asked) => json(asked, parts.version)],
    [/^\/metrics$/, () => parts.metrics.page()],
    [
      /^\/debug\/api_priority_and_fairness\/(\w+)$/,
      (_asked, page = "") => {
        const body = parts.dump(page);
        return body === undefined ? undefined : { contentType: "text/plain; charset=utf-8", body };
      },
    ],
    [/^\/\.well-known\/openid-configuration$/, (asked) => json(asked, parts.authentication.openidConfiguration())],
    [
      /^\/openid\/v1\/jwks$/,
      () => ({ contentType: "application/jwk-set+json", body: JSON.stringify(parts.authentication.jsonWebKeySet()) }),
    ],
    [/^\/?$/, (asked) => json(asked, { paths: paths(parts) })],
  ];
  const pageOf = (asked: PageRequest): Page | undefined => {
    const { method } = asked.request;
    if (method !== "GET" && method !== "HEAD") return undefined;
    const path = asked.path.path.replace(/(.)\/$/, "$1");
    for (const [pattern, route] of routes) {
      const match = pattern.exec(path);
      if (match) return route(asked, ...match.slice(1));
    }
    return undefined;
  };
  const missing: Page = { code: 404, contentType: "text/plain; charset=utf-8", body: "404 page not found\n" };
  return (asked) => send(asked, pageOf(asked) ?? missing);
}

function send({ request, responder }: PageRequest, { code = 200, contentType, body, headers = [], etag }: Page): void {
  const more = etag ? [...headers, "ETag", etag] : headers;
  if (etag && request.headers["if-none-match"] === etag) responder.text(304, contentType, "", more);
  else responder.text(code, contentType, body, more);
}

function discoveryRoutes(parts: RouteParts): [RegExp, Route][] {
  const { registry } = parts;
  const aggregated = new AggregatedDiscovery(registry);
  const root = (name: "api" | "apis", legacy: () => object): Route => {
    return (asked) => {
      const accepted = negotiate(asked.request.headers.accept, discoveryTransforms, () => true);
      if (!accepted.as) return { contentType: accepted.contentType, body: bodyOf(legacy(), accepted) };
      const { text, etag } = aggregated.document(name, accepted.as.version);
      const body = accepted.mediaType === "application/json" ? text : bodyOf(JSON.parse(text), accepted);
      return { contentType: accepted.contentType, body, etag, headers: ["Vary", "Accept"] };
    };
  };
  return [
    [/^\/api$/, root("api", () => apiVersions(parts.serverAddress()))],
    [/^\/apis$/, root("apis", () => apiGroupList(registry))],
    [/^\/api\/v1$/, (asked) => found(asked, apiResourceList(registry, "v1"))],
    [/^\/apis\/([^/]+)$/, (asked, group = "") => found(asked, apiGroup(registry, group))],
    [
      /^\/apis\/([^/]+)\/([^/]+)$/,
      (asked, group = "", version = "") => {
        const list = apiResourceList(registry, `${group}/${version}`);
        if (list || !registry.hasGroup(group)) return found(asked, list);
        return { ...json(asked, unknownResource().status, true), code: 404 };
      },
    ],
  ];
}

function healthRoutes({ health }: RouteParts): [RegExp, Route][] {
  return (["healthz", "livez", "readyz"] as const).flatMap((endpoint): [RegExp, Route][] => [
    [
      new RegExp(`^/${endpoint}$`),
      ({ query }) => plain(health.all(endpoint, { verbose: isTrue(query.get("verbose")), exclude: query.getAll("exclude") })),
    ],
    [
      new RegExp(`^/${endpoint}/(.+)$`),
      (_asked, name = "") => {
        const answer = health.one(endpoint, name);
        return answer && plain(answer);
      },
    ],
  ]);
}

function openapiRoutes({ registry, customResources }: RouteParts): [RegExp, Route][] {
  const current = documentsOf(registry, customResources);
  const page = ({ body, etag }: OpenApiDocument, contentType = "application/json"): Page => ({ body, etag, contentType });
  return [
    [
      /^\/openapi\/v2$/,
      ({ request }) => ({
        ...(request.headers.accept?.includes(openApiV2ProtobufAccept)
          ? page(current("v2 protobuf", openApiV2Protobuf), openApiV2ProtobufType)
          : page(current("v2", openApiV2))),
        headers: ["Vary", "Accept"],
      }),
    ],
    [/^\/openapi\/v3$/, () => page(current("v3", (extras) => openApiV3Index(extras, registry.remoteDocuments())))],
    [
      /^\/openapi\/v3\/(.+)$/,
      (_asked, path = "") => {
        const [, group = "", version = ""] = path.split("/");
        const isOwn = ({ resource }: ExtraResource): boolean => resource.group === group && resource.version === version;
        const made = current(`v3 ${path}`, (extras) => openApiV3(path, extras.filter(isOwn)));
        return made && page(made);
      },
    ],
  ];
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

function json({ request }: PageRequest, value: object, hasBinary = false): Page {
  const accepted = negotiate(request.headers.accept, noTransforms, () => hasBinary);
  return { contentType: accepted.contentType, body: bodyOf(value, accepted) };
}

function bodyOf(value: object, accepted: Accepted): string | Buffer {
  return accepted.mediaType === protobufType ? encodeProtobuf(value) : encode(value, accepted);
}

function found(asked: PageRequest, value: object | undefined): Page | undefined {
  return value && json(asked, value, true);
}

function plain({ code, text: body }: HealthAnswer): Page {
  return { code, contentType: "text/plain; charset=utf-8", body, headers: ["X-Content-Type-Options", "nosniff"] };
}

function paths({ registry, health }: RouteParts): string[] {
  const groups = registry
    .groups()
    .flatMap(({ name, versions }) => [`/apis/${name}`, ...versions.map((version) => `/apis/${name}/${version}`)]);
  const others = ["/.well-known/openid-configuration", "/api", "/api/v1", "/apis", "/apis/", "/metrics", "/openapi/v2", "/openapi/v3"];
  return [...others, ...groups, ...health.paths(), "/openapi/v3/", "/openid/v1/jwks", "/version"].sort();
}
