import type { Difference } from "./compare.ts";

/** Differences that are meant, each with its reason. */
const known: readonly { title: RegExp; where?: RegExp; reason: string }[] = [];

/** Why hue answers otherwise there, if that is meant. */
export function reasonFor(title: string, { where }: Difference): string | undefined {
  return known.find((entry) => entry.title.test(title) && (entry.where?.test(where) ?? true))?.reason;
}
