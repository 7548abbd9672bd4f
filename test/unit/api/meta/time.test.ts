import { describe, expect, it } from "vitest";
import { age, formatDuration, humanDuration, microNow, now, parseDuration, parseTime } from "../../../../src/api/meta/time.ts";
import { FakeClock } from "../../../../src/lib/clock.ts";

const s = 1000;
const m = 60 * s;
const h = 60 * m;
const d = 24 * h;

describe("time", () => {
  it.each([
    [-5 * s, "<invalid>"],
    [-1 * s, "0s"],
    [0, "0s"],
    [119 * s, "119s"],
    [2 * m, "2m"],
    [2 * m + 10 * s, "2m10s"],
    [10 * m + 10 * s, "10m"],
    [179 * m, "179m"],
    [3 * h, "3h"],
    [7 * h + 59 * m, "7h59m"],
    [47 * h, "47h"],
    [2 * d, "2d"],
    [5 * d + 3 * h, "5d3h"],
    [8 * d + 3 * h, "8d"],
    [729 * d, "729d"],
    [730 * d, "2y"],
    [731 * d, "2y1d"],
    [8 * 365 * d + 3 * d, "8y"],
  ])("prints an age of %d ms as %s", (milliseconds, text) => expect(humanDuration(milliseconds)).toBe(text));

  it("prints times as the API does, and ages of what has no time", () => {
    const clock = new FakeClock(Date.UTC(2026, 0, 2, 3, 4, 5, 678));
    expect(now(clock)).toBe("2026-01-02T03:04:05Z");
    expect(microNow(clock)).toBe("2026-01-02T03:04:05.678000Z");
    expect(parseTime("2026-01-02T03:04:05Z")).toBe(Date.UTC(2026, 0, 2, 3, 4, 5));
    expect(parseTime("yesterday")).toBeUndefined();
    expect(age(undefined, 0)).toBe("<unknown>");
    expect(age("2026-01-02T03:04:00Z", clock.now())).toBe("5s");
  });

  it.each([
    ["1h30m0s", 90 * m],
    ["1.5s", 1500],
    ["250ms", 250],
    ["1µs", 0.001],
    ["0s", 0],
    ["-1m0s", -m],
  ])("reads and prints the Go duration %s", (text, milliseconds) => {
    expect(parseDuration(text)).toBeCloseTo(milliseconds);
    expect(formatDuration(milliseconds)).toBe(text);
  });

  it("knows what is no duration", () => {
    expect(parseDuration("5")).toBeUndefined();
    expect(parseDuration("")).toBeUndefined();
    expect(parseDuration("0")).toBe(0);
  });
});
