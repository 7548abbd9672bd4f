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

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
