import { expect, test } from "vitest";
import { createLogger } from "../../../src/cli/logger.ts";

test("an event is one JSON line with its level, its time and its fields", () => {
  const lines: string[] = [];
  createLogger("info", (line) => lines.push(line)).warn({ pod: "default/web", error: "two\nlines" }, "it failed");
  expect(lines).toEqual([expect.stringMatching(/^[^\n]+\n$/)]);
  const { time, ...rest } = JSON.parse(lines[0] ?? "");
  expect(rest).toEqual({ level: "warn", pod: "default/web", error: "two\nlines", msg: "it failed" });
  expect(time).toBe(new Date(time).toISOString());
});

test("what is below the level is not written", () => {
  const lines: string[] = [];
  const log = createLogger("warn", (line) => lines.push(line));
  for (const level of ["debug", "info", "warn", "error"] as const) log[level]({}, level);
  expect(lines.map((line) => JSON.parse(line).msg)).toEqual(["warn", "error"]);
});

test("a level that does not exist is refused with those that do", () => {
  expect(() => createLogger("loud")).toThrow('--log-level: "loud" must be one of debug, info, warn, error');
});
