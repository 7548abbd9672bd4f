import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { WorkQueue } from "../../../src/client/queue.ts";
import { FakeClock } from "../../../src/lib/clock.ts";

function setup(work: (key: string) => Promise<number | void>, workers = 2) {
  const clock = new FakeClock();
  const failures: number[] = [];
  const queue = new WorkQueue({ clock, workers, work, failed: (_key, _error, _retries, delay) => failures.push(delay) });
  return { clock, queue, failures };
}

describe("a work queue", () => {
  it("does a key once however often it is added", async () => {
    const done: string[] = [];
    const { queue } = setup(async (key) => void done.push(key));
    for (const key of ["a", "b", "a", "a"]) queue.add(key);
    await turn();
    expect(done).toEqual(["a", "b"]);
  });

  it("never works on a key twice at once, and does it again when it was added meanwhile", async () => {
    const done: string[] = [];
    let release: () => void = () => {};
    const { queue } = setup(async (key) => {
      done.push(key);
      if (done.length === 1) await new Promise<void>((resolve) => (release = resolve));
    });
    queue.add("a");
    await turn();
    queue.add("a");
    queue.add("b");
    await turn();
    expect(done).toEqual(["a", "b"]);
    release();
    await turn();
    expect(done).toEqual(["a", "b", "a"]);
  });

  it("keeps to its number of workers", async () => {
    let most = 0;
    let now = 0;
    const { queue } = setup(async () => {
      most = Math.max(most, ++now);
      await turn();
      now--;
    }, 3);
    for (let i = 0; i < 200; i++) queue.add(String(i));
    while (queue.length > 0) await turn();
    expect(most).toBe(3);
  });

  it("retries after 5, 10, 20 ms and so on, at most 1000 s, and starts anew after a success", async () => {
    let fail = true;
    const { queue, clock, failures } = setup(async () => {
      if (fail) throw new Error("not yet");
    });
    queue.add("a");
    for (let i = 0; i < 20; i++) {
      await turn();
      clock.advance(1_000_000);
    }
    expect(failures.slice(0, 4)).toEqual([5, 10, 20, 40]);
    expect(failures.at(-1)).toBe(1_000_000);
    fail = false;
    await turn();
    fail = true;
    queue.add("a");
    await turn();
    expect(failures.at(-1)).toBe(5);
  });

  it("brings a key back when its work asks for it; the earliest of several times counts", async () => {
    let runs = 0;
    const { queue, clock } = setup(async () => (++runs === 1 ? 5000 : undefined));
    queue.add("a");
    await turn();
    queue.addAfter("a", 9000);
    queue.addAfter("a", 3000);
    clock.advance(2999);
    await turn();
    expect(runs).toBe(1);
    clock.advance(1);
    await turn();
    expect(runs).toBe(2);
    clock.advance(10_000);
    await turn();
    expect(runs).toBe(2);
  });

  it("lets other work of the process in when thousands of keys wait", async () => {
    let done = 0;
    const { queue } = setup(async () => void done++);
    for (let i = 0; i < 5000; i++) queue.add(String(i));
    await turn();
    expect(done).toBeGreaterThan(0);
    expect(done).toBeLessThan(5000);
    while (queue.length > 0) await turn();
    expect(done).toBe(5000);
  });

  it("lets a key rest: what happens to it meanwhile is answered once", async () => {
    const clock = new FakeClock();
    const done: string[] = [];
    const queue = new WorkQueue({ clock, workers: 2, work: async (key) => void done.push(key), rest: (key) => (key === "big" ? 100 : 0) });
    queue.add("big");
    await turn();
    for (let i = 0; i < 50; i++) {
      queue.add("big");
      queue.add("small");
      await turn();
    }
    expect(done.filter((key) => key === "big")).toHaveLength(1);
    expect(done.filter((key) => key === "small")).toHaveLength(50);
    clock.advance(100);
    await turn();
    expect(done.filter((key) => key === "big")).toHaveLength(2);
    clock.advance(1000);
    await turn();
    expect(done.filter((key) => key === "big")).toHaveLength(2);
    queue.add("big");
    await queue.stop();
  });

  it("stops when the work under way has ended, and takes nothing more", async () => {
    let release: () => void = () => {};
    const done: string[] = [];
    const { queue } = setup(async (key) => {
      await new Promise<void>((resolve) => (release = resolve));
      done.push(key);
    }, 1);
    queue.add("a");
    queue.add("b");
    await turn();
    const stopped = queue.stop();
    release();
    await stopped;
    queue.add("c");
    await turn();
    expect(done).toEqual(["a"]);
  });
});
