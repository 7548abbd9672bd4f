import type { KubeObject } from "../../api/meta/object.ts";
import { age } from "../../api/meta/time.ts";
import type { ColumnFacts } from "../../api/schema/facts.ts";
import type { CustomResourceColumnDefinition, CustomResourceDefinitionVersion } from "../../api/types/apiextensions.v1.ts";
import { compileJsonPath } from "./json-path.ts";

/** The columns of a custom resource's Table and how to fill them. */
export interface CustomColumns {
  columns: (ColumnFacts & { description?: string })[];
  cells(object: KubeObject, now: number): unknown[];
}

const ageColumn: CustomResourceColumnDefinition = {
  name: "Age",
  type: "date",
  description:
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in " +
    "happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC." +
    "\n\nPopulated by the system. Read-only. Null for lists. More info: " +
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
  jsonPath: ".metadata.creationTimestamp",
};

const nameDescription =
  "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request " +
  "the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. " +
  "Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";

/** Name and the version's additionalPrinterColumns; Name and Age where it has none. */
export function customColumns({ additionalPrinterColumns = [] }: CustomResourceDefinitionVersion): CustomColumns {
  const definitions = additionalPrinterColumns.length > 0 ? additionalPrinterColumns : [ageColumn];
  const cells = definitions.map(cellOf);
  return {
    columns: [
      { name: "Name", type: "string", format: "name", priority: 0, description: nameDescription },
      ...definitions.map(({ name, type, format, description, priority = 0 }) => ({
        name,
        type,
        priority,
        ...(format ? { format } : {}),
        ...(description ? { description } : { description: `Custom resource definition column (in JSONPath format): ${pathOf(name)}` }),
      })),
    ],
    cells: (object, now) => [object.metadata.name, ...cells.map((cell) => cell(object, now))],
  };

  function pathOf(name: string): string {
    return definitions.find((definition) => definition.name === name)?.jsonPath ?? "";
  }
}

function cellOf({ jsonPath, type }: CustomResourceColumnDefinition): (object: KubeObject, now: number) => unknown {
  const find = compileJsonPath(jsonPath);
  return (object, now) => {
    const [first] = find(object);
    if (first === undefined || first === null) return null;
    if (type === "string") return typeof first === "object" ? JSON.stringify(first) : String(first);
    return cell(first, type, now);
  };
}

function cell(value: unknown, type: string, now: number): unknown {
  switch (type) {
    case "integer":
      return typeof value === "number" ? Math.trunc(value) : null;
    case "number":
      return typeof value === "number" ? value : null;
    case "boolean":
      return typeof value === "boolean" ? value : null;
    case "date":
      return typeof value === "string" && !Number.isNaN(Date.parse(value)) ? age(value, now) : "<unknown>";
    default:
      return null;
  }
}
