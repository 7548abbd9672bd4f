/** What the queue compares of two waiting pods. */
export interface Waiting {
  priority: number;
  /** When the pod was first queued, milliseconds. */
  since: number;
}

/** PrioritySort: the higher priority first, among equals the one that has waited longer. Negative when a comes first. */
export function comparePriority(a: Waiting, b: Waiting): number {
  return b.priority - a.priority || a.since - b.since;
}
