import { canonicalQuantity } from "../meta/quantity.ts";
import { formatDuration, parseDuration } from "../meta/time.ts";
import { canonicalBase64, canonicalMicroTime, canonicalTime } from "./scalars.ts";
import {
  goTypeName,
  isJsonObject,
  isNamedType,
  itemType,
  type JsonObject,
  type StructField,
  setKey,
  structFields,
  valueType,
} from "./struct.ts";

/** A value that does not fit its type; the message is Go's, without the prefix that names the kind. */
export class DecodeError extends Error {}

/** What one run of pruning carries along: where it is, and the unknown fields found so far. */
export interface PruneState {
  /** Fields, list indices and map keys from the root to here; valid up to `depth`. */
  trail: (FieldPlan | number | string)[];
  depth: number;
  unknown: string[];
  /** The value is what a strategic merge patch gave: Go does not decode it, but converts it, with texts and leniency of its own. */
  converts: boolean;
}

/** Checks a value and returns its canonical copy; undefined when it is a zero value of a kind that JSON leaves out. */
export type Pruner = (value: unknown, state: PruneState) => unknown;

interface FieldPlan extends StructField {
  struct: string;
  prune: Pruner;
}

const structPruners = new Map<string, Pruner>();

/** A fresh state for one run. */
export function pruneState(converts = false): PruneState {
  return { trail: [], depth: 0, unknown: [], converts };
}

/** The pruner of a type: "core.v1.Pod", "[string]", "quantity", ...; `go` is its name in Go's texts. */
export function prunerOf(type: string, go = goTypeName(type)): Pruner {
  const scalar = scalarPruners[type];
  if (scalar) return scalar({ type, go });
  const item = itemType(type);
  if (item !== undefined) return listPruner({ type, go }, item);
  const value = valueType(type);
  if (value !== undefined) return mapPruner({ type, go }, value);
  return structPruner(type);
}

/** Its fields are looked up when the first value of the type comes: most types never see one in the life of a process. */
function structPruner(typeName: string): Pruner {
  const known = structPruners.get(typeName);
  if (known) return known;
  let fields: Map<string, FieldPlan> | undefined;
  const prune: Pruner = (value, state) => pruneStruct(typeName, (fields ??= fieldPlans(typeName)), value, state);
  structPruners.set(typeName, prune);
  return prune;
}

function fieldPlans(typeName: string): Map<string, FieldPlan> {
  const struct = typeName.slice(typeName.lastIndexOf(".") + 1);
  return new Map(
    structFields(typeName).map((field) => {
      const prune = prunerOf(field.facts.type, field.facts.go);
      const omits = field.omitZero ? omittingZero(field.facts.type, prune) : prune;
      return [field.name, { ...field, struct, prune: field.name === "managedFields" ? keepingReset(prune, omits) : omits }];
    }),
  );
}

function pruneStruct(typeName: string, fields: Map<string, FieldPlan>, value: unknown, state: PruneState): unknown {
  if (!isJsonObject(value)) throw mismatch(value, { type: typeName, go: goTypeName(typeName) }, state);
  const out: JsonObject = {};
  for (const key in value) {
    const field = fields.get(key);
    const given = value[key];
    if (!field) {
      state.unknown.push(pathOf(state, key));
      continue;
    }
    // In process an undefined member is an absent one, as in JSON.
    if (given === null || given === undefined) continue;
    state.trail[state.depth++] = field;
    const pruned = field.prune(given, state);
    state.depth--;
    if (pruned !== undefined) out[key] = pruned;
  }
  return out;
}

function listPruner(type: Target, item: string): Pruner {
  const prune = prunerOf(item, type.go.startsWith("[]") ? type.go.slice(2) : undefined);
  const keepsNull = item === "json" || item === "any";
  return (value, state) => {
    if (!Array.isArray(value)) throw mismatch(value, type, state);
    const out: unknown[] = new Array(value.length);
    for (let i = 0; i < value.length; i++) {
      const given: unknown = value[i];
      state.trail[state.depth++] = i;
      out[i] = given === null ? (keepsNull ? null : zeroOf(item)) : prune(given, state);
      state.depth--;
    }
    return out;
  };
}

function mapPruner(type: Target, element: string): Pruner {
  const prune = prunerOf(element, /^map\[[^\]]*\](.*)$/.exec(type.go)?.[1]);
  return (value, state) => {
    if (!isJsonObject(value)) throw mismatch(value, type, state);
    const out: JsonObject = {};
    for (const key in value) {
      const given = value[key];
      if (given === undefined) continue;
      state.trail[state.depth++] = key;
      setKey(out, key, given === null ? zeroOf(element) : prune(given, state));
      state.depth--;
    }
    return out;
  };
}

/** What Go has for a null in a list or map. */
function zeroOf(type: string): unknown {
  if (type === "bool") return false;
  if (/^(u?int|float)/.test(type)) return 0;
  if (type === "quantity") return "0";
  if (type === "string" || type === "bytes") return "";
  if (itemType(type) !== undefined) return [];
  return type.includes("time") || type === "raw-object" ? null : {};
}

/** An empty list of managedFields says something where it is the object's own: that all owners are to be forgotten. */
function keepingReset(prune: Pruner, omits: Pruner): Pruner {
  return (value, state) => (state.depth <= 2 ? prune : omits)(value, state);
}

/** The one list that may be left out, but not be empty: to leave it out is to take the defaults. */
const tellsEmpty = "[autoscaling.v2.HPAScalingPolicy]";

function omittingZero(type: string, prune: Pruner): Pruner {
  if (type === tellsEmpty) return prune;
  if (itemType(type) !== undefined) {
    return (value, state) => {
      const list = prune(value, state);
      return Array.isArray(list) && list.length === 0 ? undefined : list;
    };
  }
  if (valueType(type) !== undefined) {
    return (value, state) => {
      const map = prune(value, state);
      for (const _ in map as JsonObject) return map;
      return undefined;
    };
  }
  if (!["string", "bool", "int32", "int64", "float64", "bytes", "int-or-string"].includes(type)) return prune;
  return (value, state) => prune(value, state) || undefined;
}

const keep = (): Pruner => (value) => value;

/** What a value should be: the facts' type, and its name in Go. */
interface Target {
  type: string;
  go: string;
}

const scalarPruners: Record<string, ((type: Target) => Pruner) | undefined> = {
  string: (type) => (value, state) => {
    if (typeof value !== "string") throw mismatch(value, type, state);
    return value;
  },
  bool: (type) => (value, state) => {
    if (typeof value !== "boolean") throw mismatch(value, type, state);
    return value;
  },
  int32: (type) => (value, state) => {
    if (typeof value === "number" && ((value | 0) === value || (state.converts && Number.isInteger(value)))) return value | 0;
    throw mismatch(value, type, state);
  },
  int64: (type) => (value, state) => {
    if (typeof value !== "number" || !Number.isInteger(value)) throw mismatch(value, type, state);
    if (Math.abs(value) <= 2 ** 63) return value;
    if (!state.converts) throw mismatch(value, type, state);
    return -(2 ** 63);
  },
  float64: (type) => (value, state) => {
    if (typeof value !== "number") throw mismatch(value, type, state);
    return value;
  },
  bytes: (type) => (value, state) => {
    if (typeof value !== "string") throw mismatch(value, type, state);
    const text = canonicalBase64(value);
    if (typeof text === "string") return text;
    throw new DecodeError(`${state.converts ? "error decoding from json: " : ""}illegal base64 data at input byte ${text}`);
  },
  time: (type) => timePruner(type, canonicalTime, "2006-01-02T15:04:05Z07:00"),
  "micro-time": (type) => timePruner(type, canonicalMicroTime, "2006-01-02T15:04:05.000000Z07:00"),
  duration: (type) => (value, state) => {
    if (typeof value !== "string") throw mismatch(value, type, state);
    const milliseconds = parseDuration(value);
    if (milliseconds === undefined) throw new DecodeError(`time: invalid duration ${JSON.stringify(value)}`);
    return formatDuration(milliseconds);
  },
  quantity: () => pruneQuantity,
  "int-or-string": (type) => (value, state) => {
    if (typeof value === "string" || (typeof value === "number" && (value | 0) === value)) return value;
    throw mismatch(value, type, state);
  },
  any: keep,
  json: keep,
  "raw-object": keep,
  "fields-v1": keep,
  "schema-or-bool": () => (value, state) => {
    if (typeof value === "boolean") return value;
    if (!isJsonObject(value)) throw new DecodeError("boolean or JSON schema expected");
    return pruneSchema(value, state);
  },
  "schema-or-array": () => schemaOr(prunerOf("[apiextensions.v1.JSONSchemaProps]")),
  "schema-or-strings": () => schemaOr(prunerOf("[string]")),
};

function schemaOr(list: Pruner): Pruner {
  return (value, state) => (Array.isArray(value) ? list(value, apart(state)) : isJsonObject(value) ? pruneSchema(value, state) : null);
}

function pruneSchema(value: JsonObject, state: PruneState): unknown {
  return structPruner("apiextensions.v1.JSONSchemaProps")(value, apart(state));
}

/** For a type that reads itself in Go: it is silent on unknown fields, and does not see that it is part of a patch. */
function apart(state: PruneState): PruneState {
  return state.converts ? pruneState() : { ...state, unknown: [] };
}

function isMonth(digits: string): boolean {
  return Number(digits) >= 1 && Number(digits) <= 12;
}

const timeShape = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

function timePruner(type: Target, canonical: (text: string) => string | undefined, layout: string): Pruner {
  return (value, state) => {
    if (typeof value !== "string") throw mismatch(value, type, state);
    const text = canonical(value);
    if (text !== undefined) return text;
    const shown = JSON.stringify(value);
    if (timeShape.test(value)) throw new DecodeError(`parsing time ${shown}: ${isMonth(value.slice(5, 7)) ? "day" : "month"} out of range`);
    throw new DecodeError(`parsing time ${shown} as "${layout}": cannot parse ${shown} as "2006"`);
  };
}

const quantityRule = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

function pruneQuantity(value: unknown): string {
  if (typeof value !== "string" && typeof value !== "number" && typeof value !== "bigint") throw new DecodeError(quantityRule);
  try {
    return canonicalQuantity(typeof value === "bigint" ? String(value) : value);
  } catch (error) {
    throw new DecodeError(error instanceof Error ? error.message : quantityRule);
  }
}

/** Go's `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`, or what its converter says. */
function mismatch(value: unknown, { type, go }: Target, state: PruneState): DecodeError {
  if (typeof value === "bigint" && type === "int64")
    return new DecodeError(
      `the number ${value} cannot be kept to its last digit: here whole numbers are exact up to ${Number.MAX_SAFE_INTEGER}`,
    );
  const converter = state.converts ? notConverted(value, type, go) : undefined;
  if (converter) return new DecodeError(converter);
  let struct = "";
  const names: string[] = [];
  for (const step of state.converts ? [] : state.trail.slice(0, state.depth)) {
    if (typeof step !== "object") continue;
    struct = step.struct;
    names.push(`${step.through}${step.name}`);
  }
  const target = names.length ? `struct field ${struct}.${names.join(".")}` : "value";
  return new DecodeError(`json: cannot unmarshal ${jsonType(value, type)} into Go ${target} of type ${go}`);
}

/** What Go's converter of unstructured content says; undefined for types that read JSON by themselves. */
function notConverted(value: unknown, type: string, go: string): string | undefined {
  const kind = goKind(value);
  if (/^(string|bool|u?int\d+|float64)$/.test(type)) {
    const convertible = (type === "string" && kind === "int64") || (type.startsWith("int") && kind === "float64");
    return convertible ? `cannot convert ${kind} to ${go}` : `unrecognized type: ${type}`;
  }
  if (type === "bytes" || itemType(type) !== undefined) return `cannot restore slice from ${kind}`;
  if (valueType(type) !== undefined) return `cannot restore map from ${kind}`;
  return isNamedType(type) ? `cannot restore struct from: ${kind}` : undefined;
}

function goKind(value: unknown): string {
  if (Array.isArray(value)) return "slice";
  if (typeof value === "number") return Number.isInteger(value) && Math.abs(value) <= 2 ** 63 ? "int64" : "float64";
  if (typeof value === "bigint") return "int64";
  return typeof value === "boolean" ? "bool" : typeof value === "object" ? "map" : typeof value;
}

/** What a JSON value is in the words of Go's decoder; where an integer is wanted a number is told with its value. */
export function jsonType(value: unknown, wanted = ""): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number" || typeof value === "bigint") return /^int(\d|-or.*)/.test(wanted) ? `number ${value}` : "number";
  return typeof value;
}

/** The place as strict errors name it: "spec.containers[0].bar". */
function pathOf(state: PruneState, key: string): string {
  let path = "";
  for (const step of state.trail.slice(0, state.depth)) {
    if (typeof step === "number") path += `[${step}]`;
    else if (typeof step === "object") path += `.${step.name}`;
    // Go's converter forgets the keys of maps.
    else if (!state.converts) path += `.${step}`;
  }
  return `${path}.${key}`.slice(1);
}
