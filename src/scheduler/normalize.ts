/** Scales raw scores, in place, so that the best has 100; all 0 stay 0. */
export function normalize(scores: number[]): void {
  const max = Math.max(0, ...extremes(scores));
  if (max === 0) return;
  for (let i = 0; i < scores.length; i++) scores[i] = Math.floor((100 * (scores[i] ?? 0)) / max);
}

/** Scales raw scores, in place, so that the lowest has 100 and the highest 0; all 0 become 100. */
export function normalizeReversed(scores: number[]): void {
  const max = Math.max(0, ...extremes(scores));
  for (let i = 0; i < scores.length; i++) scores[i] = max === 0 ? 100 : 100 - Math.floor((100 * (scores[i] ?? 0)) / max);
}

/** The lowest and the highest, without spreading thousands of arguments. */
export function extremes(scores: readonly number[]): [number, number] {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const score of scores) {
    if (score < min) min = score;
    if (score > max) max = score;
  }
  return [min, max];
}
