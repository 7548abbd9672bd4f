import { compileFieldSelector, parseFieldSelector } from "../api/meta/fields.ts";
import { parseLabelSelector, type Selector } from "../api/meta/labels.ts";
import type { StoredObject } from "../store/store.ts";
import type { ResourceHandler } from "./resource-handler.ts";

/** What a label and a field selector select of one resource. */
export interface Selection {
  /** Undefined: everything. */
  match: ((stored: StoredObject) => boolean) | undefined;
  /** A label that all have that match, when the label selector names one. */
  label?: { key: string; value: string } | undefined;
  /** The only name that can match, when a field selector says so. */
  name?: string;
}

/** Compiles the selectors of a request. Throws badRequest for those that cannot be read or name unknown fields. */
export function selectionOf(handler: ResourceHandler, options: { labelSelector?: string; fieldSelector?: string }): Selection {
  const labels = options.labelSelector ? parseLabelSelector(options.labelSelector) : undefined;
  const requirements = options.fieldSelector ? parseFieldSelector(options.fieldSelector) : [];
  // Checks every field's name; the keys below are only a faster way to the same answer.
  const ofObject = requirements.length > 0 ? compileFieldSelector(requirements, handler.fields) : undefined;
  const byKey = requirements.filter(({ field }) => field === "metadata.name" || field === "metadata.namespace");
  const tests: ((stored: StoredObject) => boolean)[] = byKey.map(({ field, equal, value }) =>
    field === "metadata.name" ? (stored) => (stored.key.name === value) === equal : (stored) => (stored.key.namespace === value) === equal,
  );
  if (labels && !labels.everything) tests.push((stored) => labels.matches(stored.object.metadata.labels));
  if (ofObject && byKey.length < requirements.length) tests.push((stored) => ofObject(handler.view(stored).object));
  const name = byKey.find(({ field, equal }) => field === "metadata.name" && equal)?.value;
  const [only] = tests;
  if (!only) return { match: undefined };
  return { name, label: labels && labelOf(labels), match: tests.length === 1 ? only : (stored) => tests.every((test) => test(stored)) };
}

function labelOf({ requirements }: Selector): Selection["label"] {
  for (const { key, operator, values } of requirements)
    if ((operator === "=" || operator === "in") && values.length === 1 && values[0] !== undefined) return { key, value: values[0] };
  return undefined;
}
