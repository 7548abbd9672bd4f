/** What the conditions of all kinds have in common. */
export interface ConditionLike {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
  observedGeneration?: number;
}

/** The condition of that type, if there is one. */
export function findCondition<C extends ConditionLike>(conditions: readonly C[] | undefined, type: string): C | undefined {
  return conditions?.find((condition) => condition.type === type);
}

/** Whether the condition of that type is there with that status. */
export function hasCondition(conditions: readonly ConditionLike[] | undefined, type: string, status: string = "True"): boolean {
  return findCondition(conditions, type)?.status === status;
}

/**
 * The conditions with this one set, as a new list in the same order. lastTransitionTime becomes `now` (RFC 3339) when the
 * status changes and stays otherwise, unless the new condition brings its own. Returns the same list when nothing changes.
 */
export function setCondition<C extends ConditionLike>(conditions: readonly C[] | undefined, condition: C, now: string): readonly C[] {
  const list = conditions ?? [];
  const index = list.findIndex((c) => c.type === condition.type);
  const old = list[index];
  if (!old) return [...list, { ...condition, lastTransitionTime: condition.lastTransitionTime ?? now }];
  const kept = old.status === condition.status ? old.lastTransitionTime : undefined;
  const next = { ...old, ...condition, lastTransitionTime: condition.lastTransitionTime ?? kept ?? now };
  const same = (Object.keys(next) as (keyof C)[]).every((key) => next[key] === old[key]);
  return same && conditions ? conditions : list.with(index, next);
}

/** The conditions without the one of that type; the same list when there is none. */
export function removeCondition<C extends ConditionLike>(conditions: readonly C[], type: string): readonly C[] {
  return conditions.some((c) => c.type === type) ? conditions.filter((c) => c.type !== type) : conditions;
}
