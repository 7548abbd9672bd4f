import { canonicalQuantity } from "../meta/quantity.ts";
import { formatDuration, parseDuration } from "../meta/time.ts";
import { canonicalBase64, canonicalMicroTime, canonicalTime } from "./scalars.ts";
import { goTypeName, isJsonObject, itemType, type JsonObject, type StructField, setKey, structFields, valueType } from "./struct.ts";

/** A value that does not fit its type; the message is Go's, without the prefix that names the kind. */
export class DecodeError extends Error {}

/** What one run of pruning carries along: where it is, and the unknown fields found so far. */
export interface PruneState {
  /** Fields, list indices and map keys from the root to here; valid up to `depth`. */
  trail: (FieldPlan | number | string)[];
  depth: number;
  unknown: string[];
}

/** Checks a value and returns its canonical copy; undefined when it is a zero value of a kind that JSON leaves out. */
export type Pruner = (value: unknown, state: PruneState) => unknown;

interface FieldPlan extends StructField {
  struct: string;
  prune: Pruner;
}

const structPruners = new Map<string, Pruner>();

/** A fresh state for one run. */
export function pruneState(): PruneState {
  return { trail: [], depth: 0, unknown: [] };
}

/** The pruner of a type: "core.v1.Pod", "[string]", "quantity", ... */
export function prunerOf(type: string): Pruner {
  const scalar = scalarPruners[type];
  if (scalar) return scalar(type);
  const item = itemType(type);
  if (item !== undefined) return listPruner(type, item);
  const value = valueType(type);
  if (value !== undefined) return mapPruner(type, value);
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
      const prune = prunerOf(field.facts.type);
      const omits = field.omitZero ? omittingZero(field.facts.type, prune) : prune;
      return [field.name, { ...field, struct, prune: field.name === "managedFields" ? keepingReset(prune, omits) : omits }];
    }),
  );
}

function pruneStruct(typeName: string, fields: Map<string, FieldPlan>, value: unknown, state: PruneState): unknown {
  if (!isJsonObject(value)) throw mismatch(value, typeName, state);
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

function listPruner(type: string, item: string): Pruner {
  const prune = prunerOf(item);
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

function mapPruner(type: string, element: string): Pruner {
  const prune = prunerOf(element);
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

function omittingZero(type: string, prune: Pruner): Pruner {
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

const scalarPruners: Record<string, ((type: string) => Pruner) | undefined> = {
  string: (type) => (value, state) => {
    if (typeof value !== "string") throw mismatch(value, type, state);
    return value;
  },
  bool: (type) => (value, state) => {
    if (typeof value !== "boolean") throw mismatch(value, type, state);
    return value;
  },
  int32: (type) => (value, state) => {
    if (typeof value !== "number" || (value | 0) !== value) throw mismatch(value, type, state);
    return value;
  },
  int64: (type) => (value, state) => {
    if (typeof value !== "number" || !Number.isInteger(value) || Math.abs(value) > 2 ** 63) throw mismatch(value, type, state);
    return value;
  },
  float64: (type) => (value, state) => {
    if (typeof value !== "number") throw mismatch(value, type, state);
    return value;
  },
  bytes: (type) => (value, state) => {
    if (typeof value !== "string") throw mismatch(value, type, state);
    const text = canonicalBase64(value);
    if (typeof text === "number") throw new DecodeError(`illegal base64 data at input byte ${text}`);
    return text;
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
  "schema-or-bool": () => (value, state) => (typeof value === "boolean" ? value : schemaPruner()(value, state)),
  "schema-or-array": () => {
    const list = listPruner("[apiextensions.v1.JSONSchemaProps]", "apiextensions.v1.JSONSchemaProps");
    return (value, state) => (Array.isArray(value) ? list(value, state) : schemaPruner()(value, state));
  },
  "schema-or-strings": () => {
    const list = listPruner("[string]", "string");
    return (value, state) => (Array.isArray(value) ? list(value, state) : schemaPruner()(value, state));
  },
};

function schemaPruner(): Pruner {
  return structPruner("apiextensions.v1.JSONSchemaProps");
}

function isMonth(digits: string): boolean {
  return Number(digits) >= 1 && Number(digits) <= 12;
}

const timeShape = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

function timePruner(type: string, canonical: (text: string) => string | undefined, layout: string): Pruner {
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
  if (typeof value !== "string" && typeof value !== "number") throw new DecodeError(quantityRule);
  try {
    return canonicalQuantity(value);
  } catch (error) {
    throw new DecodeError(error instanceof Error ? error.message : quantityRule);
  }
}

/** Go's `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`. */
function mismatch(value: unknown, type: string, state: PruneState): DecodeError {
  let struct = "";
  const names: string[] = [];
  for (const step of state.trail.slice(0, state.depth)) {
    if (typeof step !== "object") continue;
    struct = step.struct;
    names.push(`${step.through}${step.name}`);
  }
  const target = names.length ? `struct field ${struct}.${names.join(".")}` : "value";
  return new DecodeError(`json: cannot unmarshal ${jsonType(value, type)} into Go ${target} of type ${goTypeName(type)}`);
}

function jsonType(value: unknown, wanted: string): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number") return wanted.startsWith("int") ? `number ${value}` : "number";
  return typeof value;
}

/** The place as strict errors name it: "spec.containers[0].bar". */
function pathOf(state: PruneState, key: string): string {
  let path = "";
  for (const step of state.trail.slice(0, state.depth))
    path += typeof step === "number" ? `[${step}]` : `.${typeof step === "string" ? step : step.name}`;
  return `${path}.${key}`.slice(1);
}
