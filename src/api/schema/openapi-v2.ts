import { type Content, builtInOperations, groupVersionId, type Operation, operationsOf } from "./openapi-paths.ts";
import { discoveryFacts, documentHash, type ExtraResource, type OpenApiDocument } from "./openapi-documents.ts";
import { parameter } from "./openapi-parameters.ts";
import { SchemaWriter } from "./openapi-schemas.ts";
import type { JsonObject } from "./struct.ts";

const representations = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const streams = ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];
const patches = [
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
  "application/apply-patch+yaml",
];
/** Custom resources know no strategic merge patch: kubectl apply looks here before it sends one. */
const customPatches = patches.filter((type) => !type.includes("strategic"));
const produced = {
  object: representations,
  watch: [...representations, ...streams],
  text: ["text/plain", ...representations],
  any: ["*/*"],
};
const responseTexts: Record<number, string> = { 200: "OK", 201: "Created", 202: "Accepted" };
/** Old kubectl looks for these in the operation itself and follows no reference. */
const inline = new Set(["dryRun", "fieldValidation", "name"]);

let builtIn: OpenApiDocument | undefined;

/** The OpenAPI v2 document (/openapi/v2) of all built-in kinds and the given custom resources. The built-in one is made once, at first use. */
export function openApiV2(extras: readonly ExtraResource[] = []): OpenApiDocument {
  if (extras.length === 0 && builtIn) return builtIn;
  const document = { body: Buffer.from(JSON.stringify(build(extras))), etag: `"${documentHash("v2", extras)}"` };
  if (extras.length === 0) builtIn = document;
  return document;
}

function build(extras: readonly ExtraResource[]): JsonObject {
  const writer = new SchemaWriter("v2", discoveryFacts.groupVersions);
  const shared: JsonObject = {};
  const operations = [...builtInOperations(), ...extras.flatMap(({ resource }) => operationsOf(resource))];
  const paths: JsonObject = discoveryPaths(writer);
  for (const operation of operations) {
    const item = (paths[operation.path] ??= {
      parameters: operation.pathParameters.map((name) => sharedParameter(name, shared)),
    }) as JsonObject; // made here
    item[operation.method] = operationItem(operation, writer, shared);
  }
  const definitions = { ...writer.definitions(), ...Object.assign({}, ...extras.map((extra) => extra.definitions("v2"))) };
  return {
    swagger: "2.0",
    info: { title: "Kubernetes", version: discoveryFacts.version },
    paths: sorted(paths),
    definitions,
    parameters: sorted(shared),
    securityDefinitions: {
      BearerToken: { description: "Bearer Token authentication", type: "apiKey", name: "authorization", in: "header" },
    },
    security: [{ BearerToken: [] }],
  };
}

function operationItem(operation: Operation, writer: SchemaWriter, shared: JsonObject): JsonObject {
  const { action, id, tag, description, group, version, kind, body, codes, method } = operation;
  const bodyParameter = body && {
    name: "body",
    in: "body",
    ...(method === "delete" ? {} : { required: true }),
    schema: schemaOf(body, writer),
  };
  const parameters = [...(bodyParameter ? [bodyParameter] : []), ...operation.parameters.map((name) => sharedParameter(name, shared))];
  const responses = Object.fromEntries(
    codes.map((code) => [code, { description: responseTexts[code], schema: schemaOf(operation.response, writer) }]),
  );
  return {
    description,
    consumes: action === "patch" ? patchesOf(operation) : ["*/*"],
    produces: produced[operation.produces],
    schemes: ["https"],
    tags: [tag],
    operationId: id,
    ...(parameters.length ? { parameters } : {}),
    responses: { ...responses, 401: { description: "Unauthorized" } },
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": { group, kind, version },
  };
}

function schemaOf(content: Content, writer: SchemaWriter): JsonObject {
  if (content === "text") return { type: "string" };
  return "type" in content ? writer.ref(content.type) : { $ref: `#/definitions/${content.definition}` };
}

function sharedParameter(name: string, shared: JsonObject): JsonObject {
  if (inline.has(name)) return parameter(name, "v2");
  const key = name === "path*" ? "path-rest" : name;
  shared[key] ??= parameter(name, "v2");
  return { $ref: `#/parameters/${key}` };
}

/** The paths of discovery itself: /apis/apps/ and /apis/apps/v1/. */
function discoveryPaths(writer: SchemaWriter): JsonObject {
  const get = (id: string, tag: string, description: string, type: string): JsonObject => ({
    get: {
      description,
      consumes: representations,
      produces: representations,
      schemes: ["https"],
      tags: [tag],
      operationId: id,
      responses: { 200: { description: "OK", schema: writer.ref(type) }, 401: { description: "Unauthorized" } },
    },
  });
  const paths: JsonObject = {
    "/api/": get("getCoreAPIVersions", "core", "get available API versions", "meta.v1.APIVersions"),
    "/apis/": get("getAPIVersions", "apis", "get available API versions", "meta.v1.APIGroupList"),
  };
  for (const { group, version } of discoveryFacts.groupVersions) {
    const id = groupVersionId(group, "");
    const tag = id.slice(0, 1).toLowerCase() + id.slice(1);
    if (group) paths[`/apis/${group}/`] = get(`get${id}APIGroup`, tag, "get information of a group", "meta.v1.APIGroup");
    const root = group ? `/apis/${group}/${version}/` : `/api/${version}/`;
    paths[root] = get(
      `get${groupVersionId(group, version)}APIResources`,
      `${tag}_${version}`,
      "get available resources",
      "meta.v1.APIResourceList",
    );
  }
  return paths;
}

function sorted(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function patchesOf({ response }: Operation): readonly string[] {
  return typeof response === "object" && "definition" in response ? customPatches : patches;
}
