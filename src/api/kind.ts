import type { FieldError } from "./errors.ts";
import type { KubeObject } from "./meta/object.ts";

/**
 * What only a kind itself knows, one file a kind (src/api/<group>/<kind>.ts), all listed in src/api/kinds.ts. Everything else comes
 * from the facts. Functions that get a mutable object change it in place; none does I/O or reads the clock.
 */
export interface KindRules<T = KubeObject> {
  /** Computed defaults (the facts' own defaults are filled in already): a Deployment's strategy, a Pod's tolerations, a Service's targetPort. */
  default?(object: T): void;
  /** At create, before validation: clears status, sets generation-like fields. */
  prepareForCreate?(object: T): void;
  /** At update of the main resource, before validation: carries over what a client cannot change (status among it, done generically). */
  prepareForUpdate?(object: T, old: T): void;
  /** What is wrong with a new object, or the new state of `old`, metadata left out (checked generically). */
  validate?(object: T, old?: T): FieldError[];
  /** What an update may not change; validate has run on the new object already. */
  validateUpdate?(object: T, old: T): FieldError[];
  /** What is wrong with an update of the status subresource. */
  validateStatusUpdate?(object: T, old: T): FieldError[];
  /** The cells of the kind's Table row, in the order of discovery.json's columns. `now` in milliseconds, for ages. */
  cells?(object: T, now: number): unknown[];
  /** Fields that field selectors may name, beside metadata.name and metadata.namespace. */
  fields?: Readonly<Record<string, (object: T) => string>>;
  /** Warnings that the client is shown at create and update. */
  warnings?(object: T, old: T | undefined): string[];
  /** Grace period in seconds that a delete without one gets; undefined: removed at once. Pods only, so far. */
  defaultGracePeriodSeconds?(object: T): number | undefined;
  /** True where metadata.generation stays what it was at first, whatever changes. */
  fixedGeneration?: boolean;
}
