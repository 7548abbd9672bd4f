import { badRequest } from "../errors.ts";
import type { KubeObject } from "../meta/object.ts";
import { age } from "../meta/time.ts";
import discovery from "../schema/discovery.json" with { type: "json" };
import type { ColumnFacts } from "../schema/facts.ts";
import type { ListMeta } from "../types/meta.v1.ts";
import { partialObject } from "./partial.ts";

/** What a Table row carries beside its cells. */
export type IncludeObject = "None" | "Metadata" | "Object";

/** A column as a Table names it. */
export interface TableColumn {
  name: string;
  type: string;
  format: string;
  description: string;
  priority: number;
}

/** A row as a Table holds it. */
export interface TableRow {
  cells: unknown[];
  object: KubeObject | null;
}

/** meta.k8s.io Table: what kubectl get prints. */
export interface Table {
  kind: "Table";
  apiVersion: string;
  metadata: ListMeta;
  /** null in all but the first event of a watch. */
  columnDefinitions: TableColumn[] | null;
  rows: TableRow[];
}

const descriptions: Record<string, string | undefined> = {
  Name: "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically.",
  Age: "CreationTimestamp is a timestamp representing the server time when this object was created. It is represented in RFC3339 form and is in UTC.",
};

/** The columns of a built-in resource ("apps/v1", "deployments"), or name and creation time where nothing is known. */
export function columnsOf(groupVersion: string, plural: string): TableColumn[] {
  const known = discovery.columns[`${groupVersion} ${plural}`] ?? [
    { name: "Name", type: "string", format: "name", priority: 0 },
    { name: "Created At", type: "date", priority: 0 },
  ];
  return known.map(tableColumn);
}

/** A column with everything that a Table shows of it. */
export function tableColumn(column: ColumnFacts & { description?: string }): TableColumn {
  const { name, type, format = "", priority, description = descriptions[name] ?? "" } = column;
  return { name, type, format, description, priority };
}

/** The cells that metadata alone can fill: name, age and creation time; others are "<unknown>". `now` in milliseconds. */
export function metadataCells(object: KubeObject, columns: readonly TableColumn[], now: number): unknown[] {
  return columns.map(({ name }) => {
    if (name === "Name") return object.metadata.name ?? "";
    if (name === "Age") return age(object.metadata.creationTimestamp, now);
    return name === "Created At" ? (object.metadata.creationTimestamp ?? null) : "<unknown>";
  });
}

/** The value of the includeObject parameter; Metadata when it is absent. Throws a 400 for others. */
export function includeObjectOf(parameter: string | null | undefined): IncludeObject {
  if (!parameter) return "Metadata";
  if (parameter === "None" || parameter === "Metadata" || parameter === "Object") return parameter;
  const must = "must be 'Metadata', 'Object', 'None', or empty";
  throw badRequest(`Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(parameter)}: ${must}`);
}

/** What a Table is made of. */
export interface TableParts {
  columns: readonly TableColumn[] | null;
  objects: readonly KubeObject[];
  cells: (object: KubeObject) => unknown[];
  /** The list's metadata; of a single object its resourceVersion. */
  metadata: ListMeta;
  includeObject: IncludeObject;
  version?: "v1" | "v1beta1";
}

/** A Table of objects, in their order. Objects and metadata are shared, not copied. */
export function makeTable({ columns, objects, cells, metadata, includeObject, version = "v1" }: TableParts): Table {
  return {
    kind: "Table",
    apiVersion: `meta.k8s.io/${version}`,
    metadata,
    columnDefinitions: columns && [...columns],
    rows: objects.map((object) => ({ cells: cells(object), object: rowObject(object, includeObject, version) })),
  };
}

function rowObject(object: KubeObject, includeObject: IncludeObject, version: "v1" | "v1beta1"): KubeObject | null {
  if (includeObject === "Object") return object;
  return includeObject === "None" ? null : partialObject(object, version);
}
