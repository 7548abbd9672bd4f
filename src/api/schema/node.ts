import type { FieldFacts, TypeFacts } from "./facts.ts";
import types from "./types.json" with { type: "json" };

/** What merging code knows of a place in an object: strategic merge patch and server-side apply walk these. Shared; made when first asked for. */
export interface SchemaNode {
  /** Free-form values (raw objects, JSON) are scalars: they are replaced as a whole. */
  kind: "struct" | "list" | "map" | "scalar";
  /** The node of a struct's field, or of a map's value; undefined where the schema knows of none. */
  field(name: string): SchemaNode | undefined;
  /** The node of a list's items or of a map's values. */
  element: SchemaNode | undefined;
  /** Strategic merge patch: "merge", "replace", "retainKeys"; empty where none is declared. */
  patchStrategies: readonly string[];
  mergeKey: string | undefined;
  /** How server-side apply merges a list; undefined counts as atomic. */
  listType: "atomic" | "set" | "map" | undefined;
  /** The keys of a list whose type is "map". */
  keys: readonly string[];
  /** "atomic" where server-side apply replaces a map or struct as a whole. */
  mapType?: "atomic" | undefined;
  /** What a scalar has to be; undefined: anything. */
  scalar?: "string" | "numeric" | "boolean" | undefined;
  /** What an absent value means, where it is a list's key. */
  default?: unknown;
  /** Values of every shape fit: objects merge member by member, everything else is replaced. */
  open?: boolean;
}

const facts: Record<string, TypeFacts | undefined> = types;
const roots = new Map<string, SchemaNode>();
const none: readonly string[] = [];

/** A value without fields of its own. */
export const scalarNode: SchemaNode = {
  kind: "scalar",
  field: () => undefined,
  element: undefined,
  patchStrategies: none,
  mergeKey: undefined,
  listType: undefined,
  keys: none,
};

const scalarNodes = new Map(
  ([undefined, "string", "numeric", "boolean"] as const).map((scalar) => [scalar, scalar ? { ...scalarNode, scalar } : scalarNode]),
);

function scalarOf(type: string): SchemaNode["scalar"] {
  if (/^(int|float)\d+$/.test(type)) return "numeric";
  if (type === "bool") return "boolean";
  return ["string", "bytes", "time", "micro-time", "duration"].includes(type) ? "string" : undefined;
}

/** A value of which nothing is known. */
export const openNode: SchemaNode = {
  ...scalarNode,
  kind: "map",
  open: true,
  field: () => openNode,
  get element() {
    return openNode;
  },
};

/** The root node of a type in types.json ("core.v1.Pod"). Throws when there is no such type: a programmer's mistake. */
export function schemaOf(typeName: string): SchemaNode {
  const known = roots.get(typeName);
  if (known) return known;
  if (!facts[typeName]) throw new Error(`no type ${typeName}`);
  const node = nodeOf(typeName, undefined);
  roots.set(typeName, node);
  return node;
}

function nodeOf(type: string, field: FieldFacts | undefined): SchemaNode {
  if (type.startsWith("[")) return collection("list", type, field);
  if (type.startsWith("{")) return collection("map", type, field);
  const struct = facts[type];
  if (!struct) {
    const plain = scalarNodes.get(scalarOf(type)) ?? scalarNode;
    if (!field?.patch && field?.default === undefined) return plain;
    return { ...plain, patchStrategies: field.patch?.split(",") ?? none, default: field.default };
  }
  if (struct.scalar) return collection("list", `[${struct.scalar.replace("list-message:", "")}]`, field);
  if (!field) return structNode(type, struct);
  const own = schemaOf(type);
  return { ...own, patchStrategies: field.patch?.split(",") ?? none, mergeKey: field.mergeKey, mapType: field.map ?? own.mapType };
}

function collection(kind: "list" | "map", type: string, field: FieldFacts | undefined): SchemaNode {
  let item: SchemaNode | undefined;
  const element = (): SchemaNode => {
    const inner = type.slice(1, -1);
    return (item ??= facts[inner]?.fields ? schemaOf(inner) : nodeOf(inner, undefined));
  };
  return {
    kind,
    field: kind === "map" ? element : () => undefined,
    get element() {
      return element();
    },
    patchStrategies: field?.patch?.split(",") ?? none,
    mergeKey: field?.mergeKey,
    listType: kind === "list" ? field?.list : undefined,
    keys: field?.keys ?? none,
    mapType: field?.map,
  };
}

function structNode(typeName: string, struct: TypeFacts): SchemaNode {
  const fields = new Map<string, FieldFacts>();
  const nodes = new Map<string, SchemaNode>();
  collectFields(typeName, fields);
  return {
    ...scalarNode,
    kind: "struct",
    field(name) {
      const known = nodes.get(name);
      if (known) return known;
      const field = fields.get(name);
      if (!field) return undefined;
      const node = nodeOf(field.type, field);
      nodes.set(name, node);
      return node;
    },
    mapType: struct.map,
  };
}

function collectFields(typeName: string, into: Map<string, FieldFacts>): void {
  for (const [name, field] of Object.entries(facts[typeName]?.fields ?? {}))
    if (name.startsWith("~")) collectFields(field.type, into);
    else into.set(name, field);
}
