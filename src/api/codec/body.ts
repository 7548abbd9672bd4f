import { badRequest, invalid, type StatusError, unsupportedMediaType } from "../errors.ts";
import * as fault from "../meta/field-errors.ts";
import type { KubeObject } from "../meta/object.ts";
import { type CompiledType, cannotBeHandled, compileType } from "../schema/compiled.ts";
import { hasProtobufMark, openEnvelope, type ProtobufEnvelope } from "../schema/protobuf.ts";
import { isJsonObject, type JsonObject, typeOfKind } from "../schema/struct.ts";
import { WireError } from "../schema/wire.ts";
import { parseJson } from "./json-numbers.ts";
import { countKeys, countMembers, JsonError, JsonScan } from "./json-scan.ts";
import { parseYaml, YamlError } from "./yaml.ts";
import { protobufType } from "./protobuf.ts";

/** A body as it was sent, before it is known what it should be. */
export interface DecodedBody {
  /** What a JSON or YAML body says; undefined for protobuf. */
  value: unknown;
  /** The opened envelope of a protobuf body. */
  protobuf?: ProtobufEnvelope;
  /**
   * What strict validation finds in the text, together with the unknown fields that pruning found, in upstream's order:
   * `unknown field "spec.foo"`, `duplicate field "spec.replicas"`, for YAML `yaml: unmarshal errors: line 9: key "foo" already set in map`.
   */
  strictProblems(unknown: readonly string[]): string[];
}

/** What a body should hold. */
export interface BodyTarget {
  /** The type in types.json; undefined for custom resources. */
  type: string | undefined;
  /** The compiled schema of a custom resource; without one its fields are not looked at. */
  custom?: CompiledType;
  apiVersion: string;
  kind: string;
  fieldValidation?: "Ignore" | "Warn" | "Strict";
}

const jsonType = "application/json";
const yamlType = "application/yaml";

/** A body that cannot be read at all; the message is upstream's, without what was expected. */
export class UnreadableBody extends Error {}

/** Reads a body by its media type. Throws UnreadableBody, or a 415 for media types other than JSON, YAML and (if allowed) protobuf. */
export function decodeBody(body: Uint8Array, contentType: string, protobuf = true): DecodedBody {
  if (contentType === jsonType) return decodeJson(body);
  const mediaType = (contentType || jsonType).split(";", 1)[0]?.trim().toLowerCase();
  if (mediaType === jsonType) return decodeJson(body);
  if (mediaType === yamlType) return decodeYaml(body);
  if (mediaType === protobufType && protobuf) return decodeEnvelope(body);
  const accepted = [jsonType, yamlType, ...(protobuf ? [protobufType] : [])].join(", ");
  throw unsupportedMediaType(`the body of the request was in an unknown format - accepted media types include: ${accepted}`);
}

function decodeJson(body: Uint8Array): DecodedBody {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString();
  let value: unknown;
  let members: number;
  try {
    value = parseJson(text);
    members = countMembers(body);
  } catch (error) {
    throw new UnreadableBody(
      `couldn't get version/kind; json parse error: ${error instanceof JsonError ? error.message : jsonProblem(text)}`,
    );
  }
  return {
    value,
    strictProblems(unknown) {
      if (unknown.length === 0 && countKeys(value) === members) return [];
      return new JsonScan(text, new Set(unknown)).strictProblems();
    },
  };
}

function jsonProblem(text: string): string {
  try {
    new JsonScan(text).strictProblems();
  } catch (error) {
    if (error instanceof JsonError) return error.message;
    if (error instanceof RangeError) return "exceeded max depth";
    throw error;
  }
  return "invalid character";
}

function decodeYaml(body: Uint8Array): DecodedBody {
  try {
    const { value, duplicates } = parseYaml(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString());
    const first = duplicates.length ? [`yaml: unmarshal errors:\n${duplicates.map((line) => `  ${line}`).join("\n")}`] : [];
    return { value, strictProblems: (unknown) => [...first, ...unknown.map((path) => `unknown field ${JSON.stringify(path)}`)] };
  } catch (error) {
    if (error instanceof YamlError) throw new UnreadableBody(error.message);
    throw error;
  }
}

function decodeEnvelope(body: Uint8Array): DecodedBody {
  if (!hasProtobufMark(body))
    throw new UnreadableBody("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
  try {
    return { value: undefined, protobuf: openEnvelope(body), strictProblems: () => [] };
  } catch (error) {
    if (error instanceof WireError) throw new UnreadableBody(error.message);
    throw error;
  }
}

/**
 * The object in a request's body: of the wanted kind, pruned, canonical, not yet defaulted. With fieldValidation Warn (the default)
 * unknown and duplicate fields come back as warnings, with Strict they are a 400. Throws StatusErrors with upstream's texts.
 */
export function readObject(body: Uint8Array, contentType: string, target: BodyTarget): { object: KubeObject; warnings: string[] } {
  const decoded = readable(body, contentType, target);
  const { sent, given } = typeMeta(decoded, body, target);
  checkKind(sent, given, target);
  const type = target.type === undefined ? target.custom : compileType(target.type);
  const { value, unknown } = type ? prune(type, decoded, sent, target) : { value: given, unknown: [] };
  const object = { ...sent, ...value } as KubeObject; // its kind is known, and with it its shape
  if (target.fieldValidation === "Ignore") return { object, warnings: [] };
  const problems = target.type === undefined ? customProblems(decoded, unknown) : decoded.strictProblems(unknown);
  if (problems.length && target.fieldValidation === "Strict")
    throw cannotBeHandled(sent.kind, versionOf(sent.apiVersion), target.kind, `strict decoding error: ${problems.join(", ")}`);
  return { object, warnings: problems };
}

/** Custom resources are pruned after decoding: their unknown fields come last. */
function customProblems(decoded: DecodedBody, unknown: readonly string[]): string[] {
  return [...decoded.strictProblems([]), ...unknown.map((path) => `unknown field ${JSON.stringify(path)}`)];
}

function readable(body: Uint8Array, contentType: string, target: BodyTarget): DecodedBody {
  try {
    return decodeBody(body, contentType, target.type !== undefined);
  } catch (error) {
    if (error instanceof UnreadableBody) throw unrecognized(body, target, error.message);
    throw error;
  }
}

function prune(type: CompiledType, decoded: DecodedBody, sent: TypeMeta, target: BodyTarget): { value: JsonObject; unknown: string[] } {
  if (!decoded.protobuf) return type.prune(decoded.value ?? {});
  const { contentType, contentEncoding, raw } = decoded.protobuf;
  if (contentEncoding || (contentType && contentType !== protobufType))
    throw cannotBeHandled(sent.kind, versionOf(sent.apiVersion), target.kind, `unsupported encoding ${contentType}${contentEncoding}`);
  return { value: type.decodeProtobuf(raw), unknown: [] };
}

interface TypeMeta {
  apiVersion: string;
  kind: string;
}

/** What the body says it is; for built-in kinds what it leaves out is taken from what is expected. */
function typeMeta(decoded: DecodedBody, body: Uint8Array, target: BodyTarget): { sent: TypeMeta; given: JsonObject } {
  const given = decoded.protobuf ? { apiVersion: decoded.protobuf.apiVersion, kind: decoded.protobuf.kind } : (decoded.value ?? {});
  const wrong = (what: string): StatusError =>
    unrecognized(body, target, `couldn't get version/kind; json parse error: json: cannot unmarshal ${what}`);
  if (!isJsonObject(given)) {
    const type = Array.isArray(given) ? "array" : typeof given === "boolean" ? "bool" : typeof given;
    throw wrong(
      `${type} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`,
    );
  }
  const { apiVersion = "", kind = "" } = given;
  if (typeof apiVersion !== "string") throw wrong(`${typeof apiVersion} into Go struct field .apiVersion of type string`);
  if (typeof kind !== "string") throw wrong(`${typeof kind} into Go struct field .kind of type string`);
  if (target.type !== undefined) return { sent: { apiVersion: apiVersion || target.apiVersion, kind: kind || target.kind }, given };
  const text = Buffer.from(body).toString();
  if (!kind) throw unrecognized(body, target, `Object 'Kind' is missing in '${text}'`);
  return { sent: { apiVersion, kind }, given };
}

/** Refuses a body of another kind or version. Options (DeleteOptions, ...) are the same in every group and version. */
function checkKind(sent: TypeMeta, given: JsonObject, target: BodyTarget): void {
  const isOptions = target.type?.startsWith("meta.v1.") && sent.kind === target.kind;
  if (isOptions || (sent.apiVersion === target.apiVersion && sent.kind === target.kind)) return;
  if (target.type === undefined) {
    if (sent.kind === target.kind) throw otherVersion(sent, target);
    const group = target.apiVersion.includes("/") ? target.apiVersion.split("/", 1)[0] : undefined;
    const about = { kind: sent.kind, name: nameOf(given), ...(group ? { group } : {}) };
    throw invalid(about, [fault.invalid("kind", sent.kind, `must be ${target.kind}`)]);
  }
  const version = versionOf(sent.apiVersion);
  const type = typeOfKind(sent.apiVersion, sent.kind);
  if (!type) {
    const scheme = 'in scheme "pkg/api/legacyscheme/scheme.go:30"';
    throw cannotBeHandled(
      sent.kind,
      version,
      target.kind,
      `no kind "${sent.kind}" is registered for version "${sent.apiVersion}" ${scheme}`,
    );
  }
  if (sent.kind === target.kind) throw otherVersion(sent, target);
  const wanted = `${target.type.split(".", 1)[0]}.${target.kind}`;
  throw cannotBeHandled(sent.kind, version, target.kind, `converting (${version}.${sent.kind}) to (${wanted}): unknown conversion`);
}

function nameOf({ metadata }: JsonObject): string {
  return isJsonObject(metadata) && typeof metadata["name"] === "string" ? metadata["name"] : "";
}

function otherVersion(sent: TypeMeta, target: BodyTarget): StatusError {
  return badRequest(`the API version in the data (${sent.apiVersion}) does not match the expected API version (${target.apiVersion})`);
}

function unrecognized(body: Uint8Array, target: BodyTarget, why: string): StatusError {
  return badRequest(`the object provided is unrecognized (must be of type ${target.kind}): ${why} (${summary(body)})`);
}

/** The first bytes of a body for error texts: as text if it looks like JSON, else in hexadecimal. */
function summary(body: Uint8Array): string {
  if (body.length === 0) return "<empty>";
  const start = Buffer.from(body.subarray(0, 30)).toString(body[0] === 0x7b ? "utf8" : "hex");
  return body.length > 30 ? `${start} ...` : start;
}

function versionOf(apiVersion: string): string {
  return apiVersion.slice(apiVersion.indexOf("/") + 1);
}
