import type { Rejection } from "./framework.ts";

/** The text that users know: `0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s).` */
export function unavailable(total: number, rejections: Iterable<Rejection>, refusal?: Rejection): string {
  const start = `0/${total} nodes are available:`;
  if (refusal) return `${start} ${refusal.reasons.join(", ")}.`;
  const counts = new Map<string, number>();
  for (const { reasons } of rejections) for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  if (counts.size === 0) return start;
  const texts = [...counts].map(([reason, count]) => `${count} ${reason}`).sort();
  return `${start} ${texts.join(", ")}.`;
}

/** Said when there is no node at all. */
export const noNodes = "no nodes available to schedule pods";

/** What the scheduler of v1.36 tries when no node fits: resource claims (none are held here), then preemption. */
export function withPreemption(message: string, preemption: string | undefined): string {
  return preemption === undefined ? message : `${message} no new claims to deallocate, preemption: ${preemption}`;
}
