import { describe, expect, it } from "vitest";
import { Readings } from "../../../../src/apiserver/resource-metrics/readings.ts";
import { FakeClock } from "../../../../src/lib/clock.ts";

/** A kubelet that has used half a core since the beginning, asked through Readings. */
function measured() {
  const clock = new FakeClock();
  const start = clock.now();
  const asked: number[] = [];
  let broken = false;
  const readings = new Readings(clock, async () => {
    asked.push(clock.now() - start);
    if (broken) throw new Error("connect ECONNREFUSED");
    const at = clock.now();
    return `node_cpu_usage_seconds_total ${(at - start + 60_000) / 2000} ${at}\nnode_memory_working_set_bytes 5 ${at}\n`;
  });
  /** Asks, and lets time pass until there is an answer. */
  const ask = async () => {
    let done = false;
    const answer = readings.of("n").finally(() => (done = true));
    for (let i = 0; i < 50 && !done; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (!done) clock.advance(100);
    }
    return answer;
  };
  return { clock, asked, ask, fail: () => (broken = true) };
}

describe("readings of a node", () => {
  it("takes two samples for the first question, and one for each later one", async () => {
    const { clock, asked, ask } = measured();
    expect((await ask())?.node?.cpuNanoCores).toBe(500_000_000);
    expect(asked).toHaveLength(2);
    clock.advance(15_000);
    const again = await ask();
    expect(asked).toHaveLength(3);
    expect(again?.node?.window).toBeGreaterThanOrEqual(15_000);
  });

  it("tells figures again while they are fresh, and asks nothing when nobody asks", async () => {
    const { clock, asked, ask } = measured();
    await ask();
    await ask();
    expect(asked).toHaveLength(2);
    clock.advance(600_000);
    expect(asked).toHaveLength(2);
    await ask();
    expect(asked).toHaveLength(4);
  });

  it("has no figures of a node that does not answer", async () => {
    const { clock, ask, fail } = measured();
    await ask();
    fail();
    clock.advance(10_000);
    expect(await ask()).toBeUndefined();
  });
});
