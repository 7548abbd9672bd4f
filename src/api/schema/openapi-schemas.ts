import { type Descriptions, descriptions } from "./descriptions.ts";
import type { FieldFacts } from "./facts.ts";
import { isNamedType, itemType, type JsonObject, structFields, typeFacts, valueType } from "./struct.ts";

/** OpenAPI's two forms differ in where definitions lie, and in whether a reference may have siblings. */
export type OpenApiVersion = "v2" | "v3";

const prefixes: Record<string, string | undefined> = {
  meta: "io.k8s.apimachinery.pkg.apis.meta",
  apiextensions: "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
  apiregistration: "io.k8s.kube-aggregator.pkg.apis.apiregistration",
  metrics: "io.k8s.metrics.pkg.apis.metrics",
};
const meta = "io.k8s.apimachinery.pkg.apis.meta.v1";
const extensions = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1";

/** Scalars that OpenAPI defines by a name of their own. */
const namedScalars: Record<string, { name: string; schema: JsonObject; v3?: JsonObject } | undefined> = {
  time: { name: `${meta}.Time`, schema: { type: "string", format: "date-time" } },
  "micro-time": { name: `${meta}.MicroTime`, schema: { type: "string", format: "date-time" } },
  duration: { name: `${meta}.Duration`, schema: { type: "string" } },
  quantity: {
    name: "io.k8s.apimachinery.pkg.api.resource.Quantity",
    schema: { type: "string" },
    v3: { oneOf: [{ type: "string" }, { type: "number" }] },
  },
  "int-or-string": {
    name: "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
    schema: { type: "string", format: "int-or-string" },
    v3: { format: "int-or-string", oneOf: [{ type: "integer" }, { type: "string" }] },
  },
  "fields-v1": { name: `${meta}.FieldsV1`, schema: { type: "object" } },
  "raw-object": { name: "io.k8s.apimachinery.pkg.runtime.RawExtension", schema: { type: "object" } },
  json: { name: `${extensions}.JSON`, schema: {} },
  "schema-or-bool": { name: `${extensions}.JSONSchemaPropsOrBool`, schema: {} },
  "schema-or-array": { name: `${extensions}.JSONSchemaPropsOrArray`, schema: {} },
  "schema-or-strings": { name: `${extensions}.JSONSchemaPropsOrStringArray`, schema: {} },
  patch: { name: `${meta}.Patch`, schema: { type: "object" } },
};

const plainScalars: Record<string, JsonObject | undefined> = {
  string: { type: "string" },
  bool: { type: "boolean" },
  int32: { type: "integer", format: "int32" },
  int64: { type: "integer", format: "int64" },
  float64: { type: "number", format: "double" },
  bytes: { type: "string", format: "byte" },
  any: {},
};
const zeroes: Record<string, unknown> = { string: "", bool: false, int32: 0, int64: 0, float64: 0 };

const conventions = "More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md";
/** What is said of every object's common fields. */
export const objectDescriptions = {
  apiVersion: `APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. ${conventions}#resources`,
  kind: `Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. ${conventions}#types-kinds`,
  metadata: `Standard object's metadata. ${conventions}#metadata`,
  spec: `Specification of the desired behavior. ${conventions}#spec-and-status`,
  status: `Most recently observed status. Populated by the system. Read-only. ${conventions}#spec-and-status`,
};

const ofObjects: Record<string, string | undefined> = objectDescriptions;
const ofSystem = "Populated by the system. Read-only.";
/** What is said of metadata's fields. */
const metadataDescriptions: Record<string, string | undefined> = {
  annotations: "Annotations is an unstructured key value map stored with an object, that tools may set to keep arbitrary data.",
  creationTimestamp: `CreationTimestamp is a timestamp representing the server time when this object was created. ${ofSystem}`,
  deletionGracePeriodSeconds: `Number of seconds allowed for this object to end gracefully before it is removed. ${ofSystem}`,
  deletionTimestamp: `DeletionTimestamp is the time at which this object will be deleted, once its finalizers are gone. ${ofSystem}`,
  finalizers: "Finalizers must be empty before the object is deleted from the registry. Each names who has to remove it.",
  generateName: "GenerateName is a prefix that the server makes a unique name of when none is given.",
  generation: `Generation is a sequence number of the desired state. ${ofSystem}`,
  labels: "Labels is a map of string keys and values that can be used to organize and select objects.",
  managedFields: "ManagedFields tells which workflow manages which fields of this object; for internal housekeeping.",
  name: "Name is unique within a namespace, and cannot be updated.",
  namespace: "Namespace defines the space within which each name must be unique. Cannot be updated.",
  ownerReferences: "OwnerReferences lists the objects this one depends on: it is garbage collected when all of them are gone.",
  resourceVersion: `ResourceVersion is an opaque value that tells when the object was changed. ${ofSystem}`,
  selfLink: "SelfLink is a legacy field that is no longer populated by the system.",
  uid: `UID is the unique in time and space value for this object. ${ofSystem}`,
};

/** The name that OpenAPI has for a type: "io.k8s.api.core.v1.Pod". */
export function definitionName(type: string): string {
  const scalar = namedScalars[type];
  if (scalar) return scalar.name;
  const dot = type.indexOf(".");
  return (prefixes[type.slice(0, dot)] ?? `io.k8s.api.${type.slice(0, dot)}`) + type.slice(dot);
}

/** Makes the schemas of types, and remembers which others they refer to. */
export class SchemaWriter {
  private readonly version: OpenApiVersion;
  private readonly wanted = new Set<string>();
  private readonly groupVersions: readonly { group: string; version: string }[];
  private readonly texts: Descriptions;

  /** groupVersions: where options kinds are registered, for their group-version-kind lists. */
  constructor(version: OpenApiVersion, groupVersions: readonly { group: string; version: string }[], texts = descriptions()) {
    this.version = version;
    this.groupVersions = groupVersions;
    this.texts = texts;
  }

  /** A reference to a type ("core.v1.Pod", "patch"), whose definition is then part of definitions(). */
  ref(type: string): JsonObject {
    this.wanted.add(type);
    return { $ref: (this.version === "v2" ? "#/definitions/" : "#/components/schemas/") + definitionName(type) };
  }

  /** The definitions of all types referred to so far and of those that they refer to, by name, sorted. */
  definitions(): JsonObject {
    const made: [string, JsonObject][] = [];
    for (const type of this.wanted) made.push([definitionName(type), this.definition(type)]); // grows while it runs
    return Object.fromEntries(made.sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  private definition(type: string): JsonObject {
    const scalar = namedScalars[type];
    const description = this.texts[type]?.[""];
    if (scalar) return { ...(description ? { description } : {}), ...(this.version === "v3" && scalar.v3 ? scalar.v3 : scalar.schema) };
    const fields = structFields(type).sort((a, b) => (a.name < b.name ? -1 : 1));
    const byNumber = fields.filter((field) => field.facts.req).sort((a, b) => (a.facts.pb ?? 0) - (b.facts.pb ?? 0));
    const required = byNumber.map((field) => field.name); // in the order of the Go type, as far as the numbers tell
    const { gvk = [], map, unions } = typeFacts(type);
    const isOptions = type === "meta.v1.WatchEvent" || type === "meta.v1.DeleteOptions";
    const kinds = isOptions ? this.groupVersions.map((gv) => ({ ...gv, kind: type.slice(8) })) : gvk.map(groupVersionKind);
    return {
      ...(description ? { description } : {}),
      type: "object",
      ...(required.length ? { required } : {}),
      ...(fields.length
        ? { properties: Object.fromEntries(fields.map(({ name, facts }) => [name, this.property(type, name, facts)])) }
        : {}),
      ...(kinds.length ? { "x-kubernetes-group-version-kind": kinds } : {}),
      ...(map ? { "x-kubernetes-map-type": map } : {}),
      ...(unions ? { "x-kubernetes-unions": unions } : {}),
    };
  }

  private property(type: string, name: string, facts: FieldFacts): JsonObject {
    const isObject = typeFacts(type).gvk !== undefined || name === "metadata";
    const known = type === "meta.v1.ObjectMeta" ? metadataDescriptions : isObject ? ofObjects : {};
    const values = facts.enum?.map((value) => ` - \`${JSON.stringify(value)}\``).join("\n");
    const words = this.texts[type]?.[name] ?? known[name] ?? this.texts[facts.type]?.[""];
    const text = [words, values && `Possible enum values:\n${values}`].filter(Boolean).join("\n\n");
    return {
      ...(text ? { description: text } : {}),
      ...this.value(facts.type, facts),
      ...(facts.patch ? { "x-kubernetes-patch-strategy": facts.patch } : {}),
      ...(facts.mergeKey ? { "x-kubernetes-patch-merge-key": facts.mergeKey } : {}),
      ...(facts.list ? { "x-kubernetes-list-type": facts.list } : {}),
      ...(facts.keys ? { "x-kubernetes-list-map-keys": facts.keys } : {}),
      ...(facts.map ? { "x-kubernetes-map-type": facts.map } : {}),
    };
  }

  private value(type: string, facts?: FieldFacts): JsonObject {
    const item = itemType(type);
    if (item !== undefined)
      return { type: "array", items: this.value(item, facts?.enum ? { type: item, enum: facts.enum, keep: true } : undefined) };
    const element = valueType(type);
    if (element !== undefined) return { type: "object", additionalProperties: this.value(element) };
    const byDefault = this.defaultOf(type, facts);
    const plain = plainScalars[type];
    if (plain) return { ...plain, ...byDefault, ...(facts?.enum ? { enum: facts.enum } : {}) };
    if (!namedScalars[type] && !isNamedType(type)) throw new Error(`no OpenAPI form of ${type}`);
    const ref = this.ref(type);
    if (this.version === "v2" || (!facts && Object.keys(byDefault).length === 0)) return ref;
    return { ...byDefault, allOf: [ref] };
  }

  /** OpenAPI v3 shows the zero values that Go always writes as defaults. No facts: an item of a list or map. */
  private defaultOf(type: string, facts: FieldFacts | undefined): JsonObject {
    if (this.version === "v2") return {};
    if (facts?.default !== undefined) return { default: facts.default };
    if (facts?.ptr || (facts && !facts.keep && !isNamedType(type))) return {};
    if (isNamedType(type)) return { default: {} };
    return zeroes[type] === undefined ? {} : { default: zeroes[type] };
  }
}

/** "apps/v1 Deployment" in parts. */
export function groupVersionKind(gvk: string): { group: string; kind: string; version: string } {
  const [apiVersion = "", kind = ""] = gvk.split(" ");
  const slash = apiVersion.indexOf("/");
  return { group: slash < 0 ? "" : apiVersion.slice(0, slash), kind, version: apiVersion.slice(slash + 1) };
}
