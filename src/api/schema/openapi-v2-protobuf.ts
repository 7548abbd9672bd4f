import type { ExtraResource, OpenApiDocument } from "./openapi-documents.ts";
import { openApiV2 } from "./openapi-v2.ts";
import { isJsonObject, type JsonObject } from "./struct.ts";
import { type Field, message } from "./wire.ts";

/** The media type that asks for this form: old kubectl, `kubectl apply` of a List, and `explain --output plaintext-openapiv2` take no other. */
export const openApiV2ProtobufAccept = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/** The media type of the answer: "@" is not allowed in one, so kube-apiserver spells it with a dot, and kubectl parses it. */
export const openApiV2ProtobufType = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/** Numbers of a Schema's plain fields in gnostic's openapi.v2. */
const schemaFields: Record<string, number | undefined> = {
  ...{ $ref: 1, format: 2, title: 3, description: 4, maxLength: 11, minLength: 12, pattern: 13, maxItems: 14, minItems: 15 },
  ...{ exclusiveMaximum: 8, exclusiveMinimum: 10, uniqueItems: 16, maxProperties: 17, minProperties: 18 },
};
const schemaDoubles: Record<string, number | undefined> = { multipleOf: 6, maximum: 7, minimum: 9 };

let builtIn: OpenApiDocument | undefined;

/**
 * The OpenAPI v2 document in the protobuf form of gnostic: all definitions and paths, and of the operations the patches, in which kubectl
 * looks for the parameters that the server knows. Made once for the built-in kinds, at first use.
 */
export function openApiV2Protobuf(extras: readonly ExtraResource[] = []): OpenApiDocument {
  if (extras.length === 0 && builtIn) return builtIn;
  const { body, etag } = openApiV2(extras);
  const document = { body: encodeDocument(JSON.parse(body.toString())), etag: etag.replace(/"$/, '-PB"') };
  if (extras.length === 0) builtIn = document;
  return document;
}

function encodeDocument(document: JsonObject): Buffer {
  const info = objectAt(document, "info");
  return message([
    [1, "2.0"],
    [
      2,
      message([
        [1, String(info["title"])],
        [2, String(info["version"])],
      ]),
    ],
    [8, message(Object.entries(objectAt(document, "paths")).map(([path, item]): Field => [2, named(path, encodePath(item))]))],
    [9, message(Object.entries(objectAt(document, "definitions")).map(([name, schema]): Field => [1, named(name, encodeSchema(schema))]))],
    [
      10,
      message(
        Object.entries(objectAt(document, "parameters")).map(([name, parameter]): Field => [1, named(name, encodeParameter(parameter))]),
      ),
    ],
  ]);
}

function encodePath(item: unknown): Buffer {
  if (!isJsonObject(item)) return message([]);
  return message([
    [8, isJsonObject(item["patch"]) ? encodeOperation(item["patch"]) : undefined],
    ...parametersOf(item).map((parameter): Field => [9, parameter]),
  ]);
}

function encodeOperation(operation: JsonObject): Buffer {
  return message([
    [3, String(operation["description"] ?? "")],
    [5, String(operation["operationId"] ?? "")],
    ...parametersOf(operation).map((parameter): Field => [8, parameter]),
    ...extensionsOf(operation).map((extension): Field => [13, extension]),
  ]);
}

/** The parameters of the query; those of body and path are of no use to readers of this form. */
function parametersOf(owner: JsonObject): Buffer[] {
  const given = Array.isArray(owner["parameters"]) ? owner["parameters"].filter(isJsonObject) : [];
  return given.flatMap((parameter) => {
    if (typeof parameter["$ref"] === "string") return [message([[2, message([[1, parameter["$ref"]]])]])];
    return parameter["in"] === "query" ? [message([[1, encodeParameter(parameter)]])] : [];
  });
}

function encodeParameter(parameter: unknown): Buffer {
  if (!isJsonObject(parameter)) return message([]);
  const text = (key: string): string => String(parameter[key] ?? "");
  const query = message([
    [2, "query"],
    [3, text("description")],
    [4, text("name")],
    [6, text("type")],
    [20, true],
  ]);
  return message([[2, message([[3, query]])]]);
}

function encodeSchema(schema: unknown): Buffer {
  if (!isJsonObject(schema)) return message([]);
  const fields: Field[] = [];
  for (const [key, value] of Object.entries(schema)) {
    const number = schemaFields[key];
    if (number !== undefined && ["string", "number", "boolean"].includes(typeof value))
      fields.push([number, value as string]); // one of the three
    else if (schemaDoubles[key] !== undefined && typeof value === "number") fields.push([-schemaDoubles[key], value]);
  }
  const list = (key: string): unknown[] => (Array.isArray(schema[key]) ? schema[key] : []);
  fields.push(...list("required").map((name): Field => [19, String(name)]));
  fields.push(...list("enum").map((value): Field => [20, message([[2, JSON.stringify(value)]])]));
  const others = schema["additionalProperties"];
  if (isJsonObject(others)) fields.push([21, message([[1, encodeSchema(others)]])]);
  else if (others === true) fields.push([21, message([[2, true]])]);
  if (typeof schema["type"] === "string") fields.push([22, message([[1, schema["type"]]])]);
  if (isJsonObject(schema["items"])) fields.push([23, message([[1, encodeSchema(schema["items"])]])]);
  const properties = Object.entries(objectAt(schema, "properties"));
  if (properties.length) fields.push([25, message(properties.map(([name, property]): Field => [1, named(name, encodeSchema(property))]))]);
  fields.push(...extensionsOf(schema).map((extension): Field => [31, extension]));
  return message(fields);
}

function extensionsOf(owner: JsonObject): Buffer[] {
  const extensions = Object.entries(owner).filter(([key]) => key.startsWith("x-"));
  return extensions.map(([key, value]) => named(key, message([[2, `${JSON.stringify(value)}\n`]])));
}

function objectAt(owner: JsonObject, key: string): JsonObject {
  const value = owner[key];
  return isJsonObject(value) ? value : {};
}

function named(name: string, value: Buffer): Buffer {
  return message([
    [1, name],
    [2, value],
  ]);
}
