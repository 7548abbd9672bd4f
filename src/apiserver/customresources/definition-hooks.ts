import { storedVersions } from "../../api/apiextensions/custom-resource-definition.ts";
import { deepEqual } from "../../api/meta/equality.ts";
import { CustomResourceDefinitions } from "../../api/types/resources.ts";
import type { CustomResourceDefinition, CustomResourceDefinitionCondition } from "../../api/types/apiextensions.v1.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Objects } from "../objects.ts";
import { typed } from "../plain-data.ts";
import type { ResourceHooks } from "../resource-handler.ts";
import { timestamp } from "../verbs/context.ts";
import { completeNames, nameDefinition } from "./names.ts";

/** Keeps a deleted definition until its objects are gone. */
export const cleanupFinalizer = "customresourcecleanup.apiextensions.k8s.io";

/**
 * What the server itself writes into a definition: defaults, names that are accepted, conditions, stored versions. It does so in the
 * same write, so that the resource is served when the client has its answer.
 */
export function definitionHooks(objects: Objects, clock: Clock): ResourceHooks {
  return {
    allocate(object) {
      const definition = typed<CustomResourceDefinition>(object);
      if (!definition.spec?.names?.kind || !Array.isArray(definition.spec.versions)) return undefined;
      completeDefinition(definition, objects.list(CustomResourceDefinitions), timestamp(clock.now()));
      return undefined;
    },
    beginDelete(object) {
      const definition = typed<CustomResourceDefinition>(object);
      const finalizers = definition.metadata.finalizers ?? [];
      delete definition.metadata.deletionGracePeriodSeconds;
      if (!finalizers.includes(cleanupFinalizer)) definition.metadata.finalizers = [...finalizers, cleanupFinalizer];
      setConditions(definition, timestamp(clock.now()), [
        {
          type: "Terminating",
          status: "True",
          reason: "InstanceDeletionPending",
          message: "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
        },
      ]);
    },
  };
}

/** Fills in defaults and status. `others` may hold the definition itself. */
export function completeDefinition(definition: CustomResourceDefinition, others: readonly CustomResourceDefinition[], now: string): void {
  const { spec } = definition;
  spec.names = completeNames(spec.names);
  spec.conversion ??= { strategy: "None" };
  const { accepted, namesAccepted, established } = nameDefinition(definition, others);
  definition.status = { ...definition.status, acceptedNames: accepted, storedVersions: storedVersions(definition) };
  setConditions(definition, now, [namesAccepted, established]);
}

/** Sets conditions; the time of a transition changes only with the status. */
export function setConditions(
  definition: CustomResourceDefinition,
  now: string,
  conditions: readonly CustomResourceDefinitionCondition[],
): void {
  const all = [...(definition.status?.conditions ?? [])];
  for (const condition of conditions) {
    const at = all.findIndex(({ type }) => type === condition.type);
    const before = all[at];
    const lastTransitionTime = before?.status === condition.status ? before.lastTransitionTime : now;
    const next = { ...condition, lastTransitionTime };
    if (at < 0) all.push(next);
    else if (!deepEqual(before, next)) all[at] = next;
  }
  definition.status = { ...definition.status, conditions: all };
}
