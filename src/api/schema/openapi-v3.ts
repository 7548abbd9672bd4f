import { discoveryFacts, documentHash, type ExtraResource, type OpenApiDocument } from "./openapi-documents.ts";
import { parameter } from "./openapi-parameters.ts";
import { builtInOperations, type Content, type Operation, operationsOf } from "./openapi-paths.ts";
import { SchemaWriter } from "./openapi-schemas.ts";
import { type JsonObject, typesOfGroupVersion } from "./struct.ts";

const representations = ["application/json", "application/vnd.kubernetes.protobuf", "application/yaml"];
const streams = ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];
const patches = [
  "application/apply-patch+yaml",
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
];
/** Custom resources know no strategic merge patch: kubectl apply looks here before it sends one. */
const customPatches = patches.filter((type) => !type.includes("strategic"));
const produced = { object: representations, watch: [...representations, ...streams], text: ["text/plain"], any: ["*/*"] };
const responseTexts: Record<number, string> = { 200: "OK", 201: "Created", 202: "Accepted" };

const builtIn = new Map<string, OpenApiDocument>();

/**
 * The index (/openapi/v3): where the document of each group version lies, its hash being part of the address. `remotes` are addresses that
 * extension servers gave, by paths such as "apis/example.com/v1".
 */
export function openApiV3Index(extras: readonly ExtraResource[] = [], remotes: Readonly<Record<string, string>> = {}): OpenApiDocument {
  const paths: JsonObject = {};
  for (const path of documentPaths(extras)) {
    const hash = documentHash(
      path,
      extras.filter((extra) => pathOf(extra.resource) === path),
    );
    paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` };
  }
  for (const [path, serverRelativeURL] of Object.entries(remotes)) paths[path] = { serverRelativeURL };
  const text = JSON.stringify({ paths });
  return { body: Buffer.from(text), etag: `"${documentHash(text, [])}"` };
}

/** The document of "api/v1" or "apis/apps/v1" with the given custom resources of that group version; undefined where there is nothing. */
export function openApiV3(path: string, extras: readonly ExtraResource[] = []): OpenApiDocument | undefined {
  const own = extras.filter((extra) => pathOf(extra.resource) === path);
  if (own.length === 0) {
    const known = builtIn.get(path);
    if (known) return known;
    if (!documentPaths([]).includes(path)) return undefined;
  }
  const document = { body: Buffer.from(JSON.stringify(build(path, own))), etag: `"${documentHash(path, own)}"` };
  if (own.length === 0) builtIn.set(path, document);
  return document;
}

function pathOf({ group, version }: { group: string; version: string }): string {
  return group ? `apis/${group}/${version}` : `api/${version}`;
}

function documentPaths(extras: readonly ExtraResource[]): string[] {
  const all = [...discoveryFacts.groupVersions, ...extras.map((extra) => extra.resource)].map(pathOf);
  return [...new Set(all)].sort();
}

function build(path: string, extras: readonly ExtraResource[]): JsonObject {
  const groupVersion = path.slice(path.indexOf("/") + 1);
  const writer = new SchemaWriter("v3", discoveryFacts.groupVersions);
  const paths: JsonObject = {};
  for (const operation of [...builtInOperations(groupVersion), ...extras.flatMap(({ resource }) => operationsOf(resource))]) {
    const item = (paths[operation.path] ??= { parameters: operation.pathParameters.map((name) => parameter(name, "v3")) }) as JsonObject; // made here
    item[operation.method] = operationItem(operation, writer);
  }
  for (const type of typesOfGroupVersion(groupVersion)) writer.ref(type);
  if (extras.length) writer.ref("meta.v1.ObjectMeta");
  const schemas = { ...writer.definitions(), ...Object.assign({}, ...extras.map((extra) => extra.definitions("v3"))) };
  const bearer = { description: "Bearer Token authentication", in: "header", name: "authorization", type: "apiKey" };
  return {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version: discoveryFacts.version },
    paths: Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1))),
    components: { schemas, securitySchemes: { BearerToken: bearer } },
  };
}

function operationItem(operation: Operation, writer: SchemaWriter): JsonObject {
  const { action, id, tag, description, group, version, kind, body, codes, method } = operation;
  const parameters = operation.parameters.map((name) => parameter(name, "v3"));
  const bodySchema = body && { schema: schemaOf(body, writer) };
  const requestBody = body && {
    content: Object.fromEntries((action === "patch" ? patchesOf(operation) : ["*/*"]).map((type) => [type, bodySchema])),
    ...(method === "delete" ? {} : { required: true }),
  };
  const answer = { schema: schemaOf(operation.response, writer) };
  const contents = Object.fromEntries(produced[operation.produces].map((type) => [type, answer]));
  const responses = Object.fromEntries(codes.map((code) => [code, { description: responseTexts[code], content: contents }]));
  return {
    tags: [tag],
    description,
    operationId: id,
    ...(parameters.length ? { parameters } : {}),
    ...(requestBody ? { requestBody } : {}),
    responses: { ...responses, 401: { description: "Unauthorized" } },
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": { group, version, kind },
  };
}

function schemaOf(content: Content, writer: SchemaWriter): JsonObject {
  if (content === "text") return { type: "string" };
  return "type" in content ? writer.ref(content.type) : { $ref: `#/components/schemas/${content.definition}` };
}

function patchesOf({ response }: Operation): readonly string[] {
  return typeof response === "object" && "definition" in response ? customPatches : patches;
}
