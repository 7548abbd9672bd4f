import { deepEqual } from "../meta/equality.ts";
import type { Resource } from "../resource.ts";
import bootstrap from "../schema/bootstrap.json" with { type: "json" };
import type { FlowSchema, PriorityLevelConfiguration } from "../types/flowcontrol.v1.ts";

type Configuration = FlowSchema | PriorityLevelConfiguration;

const annotation = "apf.kubernetes.io/autoupdate-spec";
/** What these say cannot be changed. */
const mandatory = ["exempt", "catch-all"];

/** The flow schemas, or priority levels, that every cluster has: the mandatory ones and those that Kubernetes suggests. */
export function defaultConfiguration<T extends Configuration>(resource: Resource<T>): T[] {
  return (bootstrap[resource.kind] ?? []).map(
    (object) => ({ ...object, apiVersion: resource.groupVersion, kind: resource.kind }) as unknown as T, // The facts are grouped by kind.
  );
}

/** The object of that name in the default configuration, if its spec is fixed. */
export function mandatoryConfiguration<T extends Configuration>(resource: Resource<T>, name: string): T | undefined {
  return mandatory.includes(name) ? defaultConfiguration(resource).find(({ metadata }) => metadata.name === name) : undefined;
}

/**
 * The object as the server keeps it up to date: with the default's spec, unless an administrator has said that he takes care of it himself
 * (the annotation), or has changed it when there was no annotation. Undefined when nothing is to change.
 */
export function keptConfiguration<T extends Configuration>(current: T, wanted: T): T | undefined {
  const { annotations, generation, name } = current.metadata;
  const said = parseBool(annotations?.[annotation]);
  const isKept = mandatory.includes(name) || (said ?? generation === 1);
  const spec = isKept ? specOf(current, wanted) : current.spec;
  if (said === isKept && deepEqual(spec, current.spec)) return undefined;
  return { ...current, metadata: { ...current.metadata, annotations: { ...annotations, [annotation]: String(isKept) } }, spec };
}

/** Whether an object that is not among the defaults (any more) was kept by a server. */
export function isLeftOver({ metadata }: Configuration): boolean {
  return parseBool(metadata.annotations?.[annotation]) === true;
}

/** An administrator may change what the exempt level lends. */
function specOf<T extends Configuration>(current: T, wanted: T): T["spec"] {
  if (!("exempt" in current.spec) || !("exempt" in wanted.spec)) return structuredClone(wanted.spec);
  return { ...structuredClone(wanted.spec), exempt: current.spec.exempt };
}

function parseBool(text: string | undefined): boolean | undefined {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(text ?? "")) return true;
  return ["0", "f", "F", "FALSE", "false", "False"].includes(text ?? "") ? false : undefined;
}
