import { vi } from "vitest";

/** Waits until the check throws no longer, and gives what it returns. Patient enough for a busy machine of two cores. */
export function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: 15_000, interval: 20 });
}
