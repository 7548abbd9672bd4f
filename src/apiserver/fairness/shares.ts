import type { PriorityLevelConfiguration } from "../../api/types/flowcontrol.v1.ts";

/** Bounds of a priority level, in seats. */
export interface LevelBounds {
  /** Its share of the server. */
  nominal: number;
  /** What it keeps however much it lends. */
  min: number;
  /** What it may have with all that it borrows. */
  max: number;
}

/** Divides the server's seats by the levels' shares; rounded up, so that the sum may be a little more. */
export function boundsOf(levels: readonly PriorityLevelConfiguration[], seats: number): LevelBounds[] {
  const shares = levels.map(({ spec }) => (spec.limited ?? spec.exempt)?.nominalConcurrencyShares ?? (spec.limited ? 30 : 0));
  const sum = shares.reduce((all, share) => all + share, 0) || 1;
  return levels.map(({ spec }, i) => {
    const nominal = Math.ceil((seats * (shares[i] ?? 0)) / sum);
    const lendable = Math.round((nominal * ((spec.limited ?? spec.exempt)?.lendablePercent ?? 0)) / 100);
    const borrowing = spec.limited?.borrowingLimitPercent;
    const max = nominal + (borrowing === undefined ? seats : Math.round((nominal * borrowing) / 100));
    return { nominal, min: nominal - lendable, max };
  });
}

/** What one level asks for when seats are lent and borrowed anew. */
export interface Claim extends LevelBounds {
  isExempt: boolean;
  /** The most seats that it could have used at one time since the last adjustment. */
  highWatermark: number;
  /** The seats that it usually uses. */
  smoothed: number;
}

/** The limits of the levels until the next adjustment, by the rules of KEP-1040, "Dispatching and borrowing". */
export function adjustedLimits(claims: readonly Claim[]): number[] {
  const floors = claims.map(({ isExempt, min, nominal, highWatermark }) =>
    Math.max(min, isExempt ? highWatermark : Math.min(nominal, highWatermark)),
  );
  const sum = (of: (claim: Claim, i: number) => number): number => claims.reduce((all, claim, i) => all + of(claim, i), 0);
  const total = sum(({ nominal }) => nominal);
  const left = total - sum(({ isExempt }, i) => (isExempt ? (floors[i] ?? 0) : 0));
  const least = sum(({ isExempt, min }) => (isExempt ? 0 : min));
  const floor = sum(({ isExempt }, i) => (isExempt ? 0 : (floors[i] ?? 0)));
  if (left <= floor) {
    const part = left <= least ? 0 : (left - least) / (floor - least);
    return claims.map(({ isExempt, min }, i) => (isExempt ? (floors[i] ?? 0) : min + Math.round(((floors[i] ?? 0) - min) * part)));
  }
  const bounded = claims.map(({ smoothed, max }, i) => ({ target: Math.max(floors[i] ?? 0, smoothed, 0.001), lower: floors[i] ?? 0, max }));
  const limitAt = ({ target, lower, max }: (typeof bounded)[number], proportion: number): number =>
    Math.max(lower, Math.min(max, proportion * target));
  const limited = bounded.filter((_, i) => !claims[i]?.isExempt);
  const proportion = solve((tried) => limited.reduce((all, one) => all + limitAt(one, tried), 0), total);
  return bounded.map((one, i) => Math.round(claims[i]?.isExempt ? one.lower : limitAt(one, proportion)));
}

/** Where a function that never falls reaches the wanted value, by halving: near enough for whole seats. */
function solve(of: (x: number) => number, wanted: number): number {
  let [low, high] = [0, 1];
  while (of(high) < wanted && high < 1e9) high *= 2;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (of(middle) < wanted) low = middle;
    else high = middle;
  }
  return high;
}
