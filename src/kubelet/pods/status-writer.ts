import { semanticEqual as equal } from "../../api/meta/equality.ts";
import type { Pod, PodCondition, PodStatus } from "../../api/types/core.v1.ts";
import { resizeConditions } from "./status.ts";

/**
 * The strategic merge patch from one status to the next; undefined when nothing changes. Conditions of others stay: only changed ones
 * are sent. The uid makes it fail on another pod of the same name.
 */
export function statusPatch(pod: Pod, next: PodStatus): { metadata: { uid: string }; status: Record<string, unknown> } | undefined {
  const old: Partial<Record<string, unknown>> = { ...pod.status };
  const wanted: Partial<Record<string, unknown>> = { ...next };
  const status: Record<string, unknown> = {};
  for (const name of new Set([...Object.keys(old), ...Object.keys(wanted)])) {
    if (name === "conditions" || equal(old[name], wanted[name])) continue;
    status[name] = wanted[name] ?? null;
  }
  const conditions = changedConditions(pod.status?.conditions ?? [], next.conditions ?? []);
  if (conditions.length > 0) status["conditions"] = conditions;
  return Object.keys(status).length > 0 ? { metadata: { uid: pod.metadata.uid }, status } : undefined;
}

function changedConditions(old: readonly PodCondition[], next: readonly PodCondition[]): object[] {
  const gone = old.filter((o) => resizeConditions.includes(o.type) && !next.some((n) => n.type === o.type));
  const changed = next
    .filter(
      (c) =>
        !equal(
          old.find((o) => o.type === c.type),
          c,
        ),
    )
    .map((c) => ({ ...c, reason: c.reason ?? null, message: c.message ?? null }));
  return [...changed, ...gone.map(({ type }) => ({ type, $patch: "delete" }))];
}
