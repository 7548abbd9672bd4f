/** How much of what it was goes on into the next period: a quarter of an hour's memory at ten seconds a period, as upstream's. */
const smoothing = 0.977;

/** How many seats a priority level could use, over time. */
export class Demand {
  /** Of the last period. */
  highWatermark = 0;
  average = 0;
  smoothed = 0;
  private value = 0;
  private high = 0;
  private area = 0;
  private squares = 0;
  private begun: number;
  private since: number;

  /** Times in milliseconds. */
  constructor(now: number) {
    this.begun = now;
    this.since = now;
  }

  /** What could be used from now on. */
  set(now: number, value: number): void {
    const weight = (now - this.since) * this.value;
    this.area += weight;
    this.squares += weight * this.value;
    this.since = now;
    this.value = value;
    if (value > this.high) this.high = value;
  }

  /** Ends a period and begins the next one. */
  endPeriod(now: number): void {
    this.set(now, this.value);
    const duration = now - this.begun;
    this.highWatermark = this.high;
    if (duration > 0) {
      this.average = this.area / duration;
      const envelope = this.average + Math.sqrt(Math.max(0, this.squares / duration - this.average ** 2));
      this.smoothed = Math.max(envelope, smoothing * this.smoothed + (1 - smoothing) * envelope);
    }
    this.begun = now;
    this.area = 0;
    this.squares = 0;
    this.high = this.value;
  }
}
