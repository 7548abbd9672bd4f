import type { PriorityLevel } from "./priority-level.ts";

/** A page below /debug/api_priority_and_fairness/, in the columns that upstream has; undefined for others. */
export function dumpOf(page: string, levels: readonly PriorityLevel[]): string | undefined {
  const rows = pages[page]?.(levels.toSorted((a, b) => (a.name < b.name ? -1 : 1)));
  return rows && columns(rows);
}

type Row = readonly (string | number | boolean)[];

const pages: Record<string, (levels: readonly PriorityLevel[]) => Row[]> = {
  dump_priority_levels: (levels) => [
    [
      "PriorityLevelName",
      "ActiveQueues",
      "IsIdle",
      "IsQuiescing",
      "WaitingRequests",
      "ExecutingRequests",
      "SeatsInUse",
      "CurrentLimit",
      "RejectedRequests",
    ],
    ...levels.map((level): Row => {
      const active = level.queues?.queues.filter(({ waiting }) => waiting.length > 0).length ?? 0;
      const waiting = level.queues?.length ?? 0;
      return [
        level.name,
        active,
        waiting + level.executing === 0,
        false,
        waiting,
        level.executing,
        level.seatsInUse,
        level.limit,
        level.rejected,
      ];
    }),
  ],
  dump_queues: (levels) => [
    ["PriorityLevelName", "Index", "PendingRequests", "ExecutingRequests", "SeatsInUse", "NextDispatchR", "SeatsWaiting"],
    ...levels.flatMap(({ name, queues }) =>
      (queues?.queues ?? []).map(
        (queue, i): Row => [
          name,
          i,
          queue.waiting.length,
          queue.executing,
          queue.seatsInUse,
          `${queue.nextStart.toFixed(3)}ms`,
          queue.seatsWaiting,
        ],
      ),
    ),
  ],
};

function columns(rows: readonly Row[]): string {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => String(row[i]).length + 2))) ?? [];
  return rows.map((row) => `${row.map((cell, i) => (i < row.length - 1 ? `${cell},`.padEnd(widths[i] ?? 0) : cell)).join("")}\n`).join("");
}
