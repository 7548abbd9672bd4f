import type { Taint, Toleration } from "../types/core.v1.ts";

/** Whether the toleration accepts the taint. An empty key with Exists accepts all; an empty effect accepts each effect. Gt and Lt: KEP-5471. */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  switch (toleration.operator) {
    case "Exists":
      return true;
    case "Gt":
      return Number(taint.value) > Number(toleration.value);
    case "Lt":
      return Number(taint.value) < Number(toleration.value);
    default:
      return Boolean(toleration.key) && (toleration.value ?? "") === (taint.value ?? "");
  }
}

/** The first taint, among those with one of the effects, that no toleration accepts. */
export function untolerated(
  taints: readonly Taint[],
  tolerations: readonly Toleration[],
  effects: readonly Taint["effect"][],
): Taint | undefined {
  return taints.find((taint) => effects.includes(taint.effect) && !tolerations.some((t) => tolerates(t, taint)));
}
