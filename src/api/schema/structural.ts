import { ruleCheckOf } from "../apiextensions/rules.ts";
import { type FieldError, StatusError, unsupportedMediaType } from "../errors.ts";
import type { JSONSchemaProps } from "../types/apiextensions.v1.ts";
import { type CompiledType, cannotBeHandled, compileType } from "./compiled.ts";
import { openNode, type SchemaNode, scalarNode, schemaOf } from "./node.ts";
import { DecodeError } from "./prune.ts";
import { isJsonObject, type JsonObject, setKey } from "./struct.ts";
import { checkOf } from "./structural-validation.ts";

/** A custom resource's schema made ready for fast work on its objects. */
export interface StructuralType extends CompiledType {
  /**
   * What is wrong with an object, apiVersion, kind and metadata's own rules left out, with the texts of Kubernetes. What was wrong in
   * the object before, and has not changed, may stay (KEP-4008).
   */
  validate(value: object, old?: object, warn?: (message: string) => void): FieldError[];
  /** For server-side apply. */
  node: SchemaNode;
}

/** Copies a value, leaving out what the schema does not know. */
type Pruner = (value: unknown, path: string, unknown: string[]) => unknown;
/** Fills in the defaults below a value, in place. */
type Filler = (value: unknown) => void;

/**
 * Compiles the structural schema (openAPIV3Schema) of one version of a custom resource. Without a schema nothing is pruned or checked.
 * The schema must have passed the checks of CustomResourceDefinitions.
 */
export function compileStructural(schema: JSONSchemaProps | undefined, kind: string, version: string): StructuralType {
  const root: JSONSchemaProps = { type: "object", ...(schema ?? { "x-kubernetes-preserve-unknown-fields": true }) };
  const prune = objectPruner(root, true);
  const fill = fillerOf(root);
  const check = checkOf(root);
  const checkRules = ruleCheckOf(root);
  return {
    prune(value) {
      if (!isJsonObject(value))
        throw cannotBeHandled(kind, version, kind, "json: cannot unmarshal into Go value of type map[string]interface {}");
      const unknown: string[] = [];
      try {
        return { value: prune(value, "", unknown) as JsonObject, unknown: inOrder(unknown) }; // an object's pruner gives an object
      } catch (error) {
        if (error instanceof DecodeError) throw cannotBeHandled(kind, version, kind, error.message);
        throw error;
      }
    },
    applyDefaults(value) {
      fill?.(value);
    },
    decodeProtobuf() {
      throw unsupportedMediaType(
        "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml",
      );
    },
    validate(value, old, warn) {
      let errors: FieldError[] = [];
      check(value, "", errors);
      if (errors.length > 0 && old) check(value, "", (errors = []), old);
      if (!checkRules) return errors;
      if (errors.some(({ reason }) => blocking.has(reason))) return [...errors, unchecked];
      checkRules(value, old, "", { errors, warn });
      return errors;
    },
    node: nodeOf(root, true),
  };
}

/** With these a value is not what rules may rely on. */
const blocking = new Set([
  "FieldValueNotSupported",
  "FieldValueRequired",
  "FieldValueTooLong",
  "FieldValueTooMany",
  "FieldValueTypeInvalid",
]);
const unchecked: FieldError = {
  reason: "FieldValueInvalid",
  field: "<nil>",
  message:
    "Invalid value: null: some validation rules were not checked because the object was invalid; " +
    "correct the existing errors to complete validation",
};

/** Upstream looks at the metadata first, then at the rest in the order of names. */
function inOrder(unknown: string[]): string[] {
  const isMetadata = (path: string): number => (path.startsWith("metadata.") ? 0 : 1);
  return unknown.sort((a, b) => isMetadata(a) - isMetadata(b) || (a < b ? -1 : 1));
}

/** What copies values of the schema, leaving out what it does not know. */
export function prunerOf(schema: JSONSchemaProps): Pruner {
  const isResource = schema["x-kubernetes-embedded-resource"] === true;
  const object = objectPruner(schema, isResource);
  const items = schema.items && !Array.isArray(schema.items) ? prunerOf(schema.items) : undefined;
  const keepsAll = schema["x-kubernetes-preserve-unknown-fields"] === true;
  return (value, path, unknown) => {
    if (Array.isArray(value)) {
      if (items) return value.map((item, i) => items(item, `${path}[${i}]`, unknown));
      return keepsAll ? value : value.filter((item) => typeof item !== "object");
    }
    return isJsonObject(value) ? object(value, path, unknown) : value;
  };
}

interface PropertyPruner {
  prune: Pruner;
  nullable: boolean;
}

function objectPruner(schema: JSONSchemaProps, isResource: boolean): Pruner {
  const properties = new Map<string, PropertyPruner>();
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    properties.set(name, { prune: prunerOf(property), nullable: property.nullable === true });
  const { additionalProperties } = schema;
  const keepsAll = schema["x-kubernetes-preserve-unknown-fields"] === true || additionalProperties === true;
  const others = isJsonObject(additionalProperties)
    ? { prune: prunerOf(additionalProperties), nullable: additionalProperties["nullable"] === true }
    : undefined;
  return (value, path, unknown) => {
    if (!isJsonObject(value)) return value;
    const out: JsonObject = {};
    for (const name in value) {
      const given = value[name];
      if (given === undefined) continue;
      const place = path ? `${path}.${name}` : name;
      const property = properties.get(name) ?? others;
      if (isResource && name === "metadata") out[name] = pruneMetadata(given, place, unknown);
      else if (isResource && (name === "apiVersion" || name === "kind")) {
        if (typeof given !== "string" && path) throw new DecodeError(`${place}: Invalid value: ${JSON.stringify(given)}: must be a string`);
        out[name] = given;
      } else if (property) {
        if (given !== null || property.nullable) setKey(out, name, property.prune(given, place, unknown));
      } else if (keepsAll) setKey(out, name, given);
      else unknown.push(place);
    }
    return out;
  };
}

function pruneMetadata(value: unknown, path: string, unknown: string[]): JsonObject {
  try {
    const pruned = compileType("meta.v1.ObjectMeta").prune(value ?? {});
    for (const place of pruned.unknown) unknown.push(`${path}.${place}`);
    return pruned.value;
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    const why = error.message.replace(/^.*? cannot be handled as a ObjectMeta: /, "");
    throw new DecodeError(path === "metadata" ? why : `${path}: Invalid value: ${JSON.stringify(value)}: ${why}`);
  }
}

/** What fills in the defaults of a schema, in place; undefined where it has none. */
export function defaultsOf(schema: JSONSchemaProps | undefined): Filler | undefined {
  return schema && fillerOf(schema);
}

/** The filler of a schema; undefined where nothing below it has a default. */
function fillerOf(schema: JSONSchemaProps): Filler | undefined {
  const properties: [string, unknown, Filler | undefined][] = [];
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const fill = fillerOf(property);
    if (fill || property.default !== undefined) properties.push([name, property.default, fill]);
  }
  const each = schema.items && !Array.isArray(schema.items) ? fillerOf(schema.items) : undefined;
  const others = isJsonObject(schema.additionalProperties) ? fillerOf(schema.additionalProperties) : undefined;
  if (!properties.length && !each && !others) return undefined;
  const known = new Set(Object.keys(schema.properties ?? {}));
  return (value) => {
    if (Array.isArray(value)) {
      if (each) value.forEach(each);
      return;
    }
    if (!isJsonObject(value)) return;
    for (const [name, byDefault, fill] of properties) {
      if (value[name] === undefined && byDefault !== undefined) value[name] = structuredClone(byDefault);
      if (fill && value[name] !== undefined) fill(value[name]);
    }
    if (others) for (const name in value) if (!known.has(name)) others(value[name]);
  };
}

const scalars: Record<string, SchemaNode["scalar"]> = { string: "string", integer: "numeric", number: "numeric", boolean: "boolean" };

function nodeOf(schema: JSONSchemaProps, isResource: boolean): SchemaNode {
  const mapType = schema["x-kubernetes-map-type"] === "atomic" ? ("atomic" as const) : undefined;
  if (schema.type === "array") {
    const listType = schema["x-kubernetes-list-type"];
    return {
      ...scalarNode,
      kind: "list",
      element: schema.items && !Array.isArray(schema.items) ? nodeOf(schema.items, false) : undefined,
      listType: listType === "set" || listType === "map" ? listType : "atomic",
      keys: schema["x-kubernetes-list-map-keys"] ?? [],
    };
  }
  if (isJsonObject(schema.additionalProperties)) {
    const element = nodeOf(schema.additionalProperties, false);
    return { ...scalarNode, kind: "map", element, field: () => element, mapType };
  }
  const embedded = isResource || schema["x-kubernetes-embedded-resource"] === true;
  const keepsAll = schema["x-kubernetes-preserve-unknown-fields"] === true;
  if (!schema.properties && !embedded)
    return keepsAll ? openNode : { ...scalarNode, default: schema.default, scalar: scalars[schema.type ?? ""] };
  const fields = new Map(Object.entries(schema.properties ?? {}).map(([name, property]) => [name, nodeOf(property, false)]));
  if (embedded) for (const name of ["apiVersion", "kind"]) fields.set(name, scalarNode);
  if (embedded) fields.set("metadata", schemaOf("meta.v1.ObjectMeta"));
  return { ...scalarNode, kind: "struct", field: (name) => fields.get(name) ?? (keepsAll ? openNode : undefined), mapType };
}
