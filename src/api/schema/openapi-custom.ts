import type { JSONSchemaProps, SelectableField } from "../types/apiextensions.v1.ts";
import type { ExtraResource } from "./openapi-documents.ts";
import type { OpenApiResource } from "./openapi-paths.ts";
import { definitionName, objectDescriptions, type OpenApiVersion } from "./openapi-schemas.ts";
import { isJsonObject, type JsonObject } from "./struct.ts";

/**
 * One served version of a custom resource for the OpenAPI documents. The schema is as the user wrote it, read only.
 * `resource.definition` is set here.
 */
export function customResource(
  resource: OpenApiResource,
  listKind: string,
  schema: JSONSchemaProps | undefined,
  selectableFields: readonly SelectableField[] = [],
): ExtraResource {
  const { group, version, kind, plural } = resource;
  const name = [...group.split(".").reverse(), version, kind].join(".");
  const gvk = (ofKind: string): JsonObject[] => [{ group, kind: ofKind, version }];
  return {
    resource: { ...resource, definition: name },
    definitions(openApi) {
      const object = schema ? convert(schema, openApi) : { type: "object" };
      const isOpen = schema?.["x-kubernetes-preserve-unknown-fields"] === true;
      const base: JsonObject = isOpen && openApi === "v2" ? { type: "object" } : { ...object, ...rootProperties(object, openApi) };
      const fields = selectableFields.map(({ jsonPath }) => ({ fieldPath: jsonPath.replace(/^\./, "") }));
      const selectable = fields.length > 0 ? { "x-kubernetes-selectable-fields": fields } : {};
      const definition = { ...base, "x-kubernetes-group-version-kind": gvk(kind), ...selectable };
      return {
        [name]: definition,
        [`${name}List`]: { ...listSchema(name, kind, plural, openApi), "x-kubernetes-group-version-kind": gvk(listKind) },
      };
    },
  };
}

function reference(name: string, openApi: OpenApiVersion, description: string): JsonObject {
  const ref = { $ref: (openApi === "v2" ? "#/definitions/" : "#/components/schemas/") + name };
  return openApi === "v2" ? { description, ...ref } : { description, allOf: [ref] };
}

function rootProperties(object: JsonObject, openApi: OpenApiVersion): JsonObject {
  const properties = isJsonObject(object["properties"]) ? object["properties"] : {};
  return { properties: { ...properties, ...typeMeta(), metadata: metadataRef(openApi) } };
}

function typeMeta(): JsonObject {
  const { apiVersion, kind } = objectDescriptions;
  return { apiVersion: { description: apiVersion, type: "string" }, kind: { description: kind, type: "string" } };
}

function metadataRef(openApi: OpenApiVersion): JsonObject {
  return reference(definitionName("meta.v1.ObjectMeta"), openApi, objectDescriptions.metadata);
}

const conventions = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md";

function listSchema(name: string, kind: string, plural: string, openApi: OpenApiVersion): JsonObject {
  const item = { $ref: (openApi === "v2" ? "#/definitions/" : "#/components/schemas/") + name };
  const metadata = reference(definitionName("meta.v1.ListMeta"), openApi, `Standard list metadata. More info: ${conventions}#types-kinds`);
  return {
    description: `${kind}List is a list of ${kind}`,
    type: "object",
    required: ["items"],
    properties: {
      ...typeMeta(),
      items: { description: `List of ${plural}. More info: ${conventions}`, type: "array", items: item },
      metadata,
    },
  };
}

const notInV2 = new Set(["allOf", "anyOf", "oneOf", "not", "default", "nullable"]);

/** The schema as published: as written for v3; v2 knows no nullable, combinations or defaults, and less of open objects. */
function convert(schema: JSONSchemaProps, openApi: OpenApiVersion): JsonObject {
  const extra = openApi === "v2" ? withoutV2Limits(schema) : withIntOrString(schema);
  const out: JsonObject = {};
  for (const [key, value] of Object.entries(extra)) {
    if (isEmpty(value)) continue;
    if (key === "properties" && isJsonObject(value))
      out[key] = Object.fromEntries(Object.entries(value).map(([name, property]) => [name, convert(property as JSONSchemaProps, openApi)]));
    else if (["items", "additionalProperties", "not"].includes(key) && isJsonObject(value)) out[key] = convert(value, openApi);
    else if (["allOf", "anyOf", "oneOf"].includes(key) && Array.isArray(value))
      out[key] = value.map((each) => convert(each as JSONSchemaProps, openApi));
    else out[key] = value;
  }
  if (schema["x-kubernetes-embedded-resource"] && openApi === "v3") addEmbedded(out);
  return out;
}

function withIntOrString(schema: JSONSchemaProps): JSONSchemaProps {
  if (!schema["x-kubernetes-int-or-string"] || schema.anyOf) return schema;
  return { anyOf: [{ type: "integer" }, { type: "string" }], ...schema };
}

function withoutV2Limits(schema: JSONSchemaProps): JSONSchemaProps {
  const kept = Object.entries(schema).filter(([key]) => !notInV2.has(key));
  const drop = new Set<string>();
  if (schema.nullable) for (const key of ["type", "items", "properties", "additionalProperties"]) drop.add(key);
  if (schema["x-kubernetes-preserve-unknown-fields"])
    for (const key of ["type", "items", "properties", "additionalProperties"]) drop.add(key);
  return Object.fromEntries(kept.filter(([key]) => !drop.has(key)));
}

function addEmbedded(out: JsonObject): void {
  const properties = isJsonObject(out["properties"]) ? out["properties"] : {};
  const apiVersion = `apiVersion defines the versioned schema of this representation of an object. More info: ${conventions}#resources`;
  const kind = `kind is a string value representing the type of this object. In CamelCase. More info: ${conventions}#types-kinds`;
  const own = { apiVersion: { description: apiVersion, type: "string" }, kind: { description: kind, type: "string" } };
  out["properties"] = { ...properties, ...own, metadata: metadataRef("v3") };
  const required = Array.isArray(out["required"]) ? out["required"] : [];
  out["required"] = [...new Set([...required, "kind", "apiVersion"])];
}

/** Zero values that typed clients write and that say nothing. */
function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === false || value === "" || (Array.isArray(value) && value.length === 0);
}
