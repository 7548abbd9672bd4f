import { afterAll, beforeAll, expect, test } from "vitest";
import { fuzz } from "../fuzz/fuzz.ts";
import { startVictim } from "../fuzz/victim.ts";

let victim: Awaited<ReturnType<typeof startVictim>>;
beforeAll(async () => {
  victim = await startVictim();
});
afterAll(() => victim.stop());

// The long run: node test/fuzz/run.ts --count 1000000
test("2,000 bad requests are answered with no 5xx, none hangs, and the server's log tells of no failure", {
  timeout: 120_000,
}, async () => {
  const { requests, codes, findings, memory } = await fuzz(victim, { seed: 36, count: 2000, connections: 8 });
  expect(findings).toEqual([]);
  expect(requests).toBe(2000);
  for (const code of ["200", "201", "400", "404", "413", "415", "422", "431"]) expect(codes[code]).toBeGreaterThan(0);
  expect(memory.most - memory.start).toBeLessThan(400 * 2 ** 20);
  expect(victim.output()).not.toContain("failed unexpectedly");
});
