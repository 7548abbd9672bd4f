import type { Moment } from "./log.ts";

/** The moments of what is in memory: of each second in which something was written, the first revision. */
export class Moments {
  private readonly known: Moment[] = [];

  /** Takes in the time of a write, in milliseconds; gives its second, when it is the first one in it. */
  add(revision: number, now: number): number | undefined {
    const time = Math.floor(now / 1000);
    if (time === this.known.at(-1)?.time) return undefined;
    this.known.push({ revision, time });
    return time;
  }

  /** Forgets those before the one of that revision. */
  forget(revision: number): void {
    const next = this.known.findIndex((moment) => moment.revision > revision);
    this.known.splice(0, (next < 0 ? this.known.length : next) - 1);
  }

  /** See PastLog. */
  moment(by: "time" | "revision" | "after", value: number): Moment | undefined {
    return by === "after" ? this.known.find(({ revision }) => revision > value) : this.known.findLast((moment) => moment[by] <= value);
  }
}
