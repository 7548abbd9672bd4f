import { parse } from "yaml";
import { parseDuration } from "../../api/meta/time.ts";

/** What a value in a configuration file may be. `read` throws an Error that names the field. */
export interface Shape<T> {
  read(value: unknown, path: string): T;
}

function primitive<T>(is: (value: unknown) => value is T, what: string): Shape<T> {
  return {
    read(value, path) {
      if (is(value)) return value;
      throw new Error(`${path || "the file"} must be ${what}, not ${JSON.stringify(value)}`);
    },
  };
}

export const text = primitive((value) => typeof value === "string", "a string");
export const boolean = primitive((value) => typeof value === "boolean", "true or false");
export const integer = primitive((value): value is number => Number.isInteger(value), "a whole number");
/** Anything: what another reader knows. */
export const anything: Shape<unknown> = { read: (value) => value };
/** A Go duration such as "1m30s", as milliseconds. */
export const duration: Shape<number> = {
  read(value, path) {
    const milliseconds = typeof value === "string" ? parseDuration(value) : undefined;
    if (milliseconds === undefined) throw new Error(`${path} must be a duration such as "30s", not ${JSON.stringify(value)}`);
    return milliseconds;
  },
};

/** A list of them. */
export function list<T>(item: Shape<T>): Shape<T[]> {
  return {
    read(value, path) {
      if (!Array.isArray(value)) throw new Error(`${path} must be a list`);
      return value.map((one, index) => item.read(one, `${path}[${index}]`));
    },
  };
}

/** An object whose keys are names of the user's own. */
export function map<T>(item: Shape<T>): Shape<Record<string, T>> {
  return {
    read(value, path) {
      if (!isObject(value)) throw new Error(`${path} must be an object`);
      return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, item.read(one, `${path}.${name}`)]));
    },
  };
}

type Fields = Readonly<Record<string, Shape<unknown>>>;
type ObjectOf<F extends Fields> = { [K in keyof F]?: F[K] extends Shape<infer T> ? T : never };

/** An object with some of these fields and no others. A field that is null counts as left out. */
export function object<F extends Fields>(fields: F): Shape<ObjectOf<F>> {
  return {
    read(value, path) {
      if (!isObject(value)) throw new Error(`${path || "the file"} must be an object`);
      const result: Record<string, unknown> = {};
      for (const [name, given] of Object.entries(value)) {
        const at = path ? `${path}.${name}` : name;
        const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
        if (!field) throw new Error(`unknown field ${JSON.stringify(at)}`);
        if (given !== null) result[name] = field.read(given, at);
      }
      return result as ObjectOf<F>; // Just read by its fields' shapes.
    },
  };
}

/** Reads a value; throws an Error that names the field that is wrong. */
export function parseShape<T>(shape: Shape<T>, value: unknown): T {
  return shape.read(value, "");
}

/** A kind of configuration file: "apiserver.config.k8s.io/v1" and its like, the kind, and its fields. */
export interface FileKind<F extends Fields> {
  versions: readonly string[];
  kind: string;
  /** Another version and kind under which it is known, "v1 EncryptionConfig". */
  formerly?: string;
  fields: F;
}

/** Reads a configuration in YAML or JSON. Throws an Error that says what is wrong with it. */
export function readConfiguration<F extends Fields>(yaml: string, expected: FileKind<F>): ObjectOf<F> {
  return configurationOf(parse(yaml), expected);
}

/** The same, from what a file held. */
export function configurationOf<F extends Fields>(value: unknown, { versions, kind, formerly, fields }: FileKind<F>): ObjectOf<F> {
  if (!isObject(value)) throw new Error(`it must hold a ${kind}`);
  const { apiVersion, kind: given, ...rest } = value;
  const isKind = given === kind && versions.some((version) => version === apiVersion);
  if (!isKind && `${apiVersion} ${given}` !== formerly)
    throw new Error(
      `no kind ${JSON.stringify(given)} is registered for version ${JSON.stringify(apiVersion)}; expected ${versions[0]}, Kind=${kind}`,
    );
  return parseShape(object(fields), rest);
}

/** The value, when it is one of those known. Throws an Error that names the field and them. */
export function oneOf<T extends string>(at: string, value: string | undefined, known: readonly T[]): T {
  const found = known.find((one) => one === value);
  if (found !== undefined) return found;
  if (!value) throw new Error(`${at}: Required value`);
  throw new Error(`${at}: Unsupported value: "${value}": supported values: ${known.map((one) => `"${one}"`).join(", ")}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
