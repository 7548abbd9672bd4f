import { describe, expect, it } from "vitest";
import type { CronJob, Job } from "../../../src/api/types/batch.v1.ts";
import { CronJobs, Jobs } from "../../../src/api/types/resources.ts";
import { jobFor, lastDue, parseSchedule } from "../../../src/controllers/cronjob.ts";
import { template, World } from "./world.ts";

const minute = 60_000;
const spec = (more: Partial<CronJob["spec"]> = {}): CronJob["spec"] => ({
  schedule: "*/1 * * * ?",
  timeZone: "Etc/UTC",
  concurrencyPolicy: "Allow",
  suspend: false,
  successfulJobsHistoryLimit: 3,
  failedJobsHistoryLimit: 1,
  jobTemplate: { metadata: { labels: { "cronjob-name": "tick" } }, spec: { template: template({}) } },
  ...more,
});
async function start(more: Partial<CronJob["spec"]> = {}): Promise<World> {
  const world = new World("cronjob");
  world.clock.advance(30_000);
  await world.create(CronJobs, { metadata: { name: "tick" }, spec: spec(more) });
  return world;
}
async function finish(world: World, name: string, type: "Complete" | "Failed" = "Complete"): Promise<void> {
  const job = await world.get(Jobs, name);
  const time = new Date(world.clock.now()).toISOString();
  const status: Job["status"] = { startTime: time, completionTime: time, conditions: [{ type, status: "True", lastTransitionTime: time }] };
  await world.client.updateStatus(Jobs, { ...job, status });
  await world.settle();
}
const names = async (world: World) => (await world.list(Jobs)).map(({ metadata }) => metadata.name).sort();
const first = Date.UTC(2026, 0, 1, 0, 1) / minute;

describe("a CronJob", () => {
  it("makes a Job each minute, named after it, and follows it to its end", async () => {
    const world = await start();
    expect(await names(world)).toEqual([]);
    await world.pass(31);
    expect(await names(world)).toEqual([`tick-${first}`]);
    const job = await world.get(Jobs, `tick-${first}`);
    expect(job.metadata).toMatchObject({
      labels: { "cronjob-name": "tick" },
      annotations: { "batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-01-01T00:01:00Z" },
      ownerReferences: [{ kind: "CronJob", name: "tick", controller: true }],
    });
    expect((await world.get(CronJobs, "tick")).status).toMatchObject({
      active: [{ apiVersion: "batch/v1", kind: "Job", namespace: "a", name: `tick-${first}`, uid: job.metadata.uid }],
      lastScheduleTime: "2026-01-01T00:01:00Z",
    });
    await finish(world, `tick-${first}`);
    const { status } = await world.get(CronJobs, "tick");
    expect(status).not.toHaveProperty("active");
    expect(status.lastSuccessfulTime).toBeDefined();
    expect(await world.events()).toEqual([
      `Normal SuccessfulCreate Created job tick-${first}`,
      `Normal SawCompletedJob Saw completed job: tick-${first}, condition: Complete`,
    ]);
    await world.pass(60);
    expect(await names(world)).toEqual([`tick-${first}`, `tick-${first + 1}`]);
  });

  it("with Forbid starts nothing while a Job runs, and then what was missed", async () => {
    const world = await start({ concurrencyPolicy: "Forbid" });
    await world.pass(31);
    await world.pass(60);
    expect(await names(world)).toEqual([`tick-${first}`]);
    expect(await world.events()).toContain(
      "Normal JobAlreadyActive Not starting job because prior execution is running and concurrency policy is Forbid",
    );
    await finish(world, `tick-${first}`);
    expect(await names(world)).toEqual([`tick-${first}`, `tick-${first + 1}`]);
  });

  it("with Replace ends the Job that runs", async () => {
    const world = await start({ concurrencyPolicy: "Replace" });
    await world.pass(31);
    await world.pass(60);
    expect(await names(world)).toEqual([`tick-${first + 1}`]);
    expect((await world.get(CronJobs, "tick")).status.active?.map(({ name }) => name)).toEqual([`tick-${first + 1}`]);
  });

  it("with Allow lets them run side by side", async () => {
    const world = await start();
    await world.pass(31);
    await world.pass(60);
    expect((await world.get(CronJobs, "tick")).status.active).toHaveLength(2);
  });

  it("does nothing while suspended", async () => {
    const world = await start({ suspend: true });
    await world.pass(600);
    expect(await names(world)).toEqual([]);
  });

  it("keeps as many ended Jobs as its limits say", async () => {
    const world = await start({ successfulJobsHistoryLimit: 1, failedJobsHistoryLimit: 1 });
    for (let i = 0; i < 5; i++) {
      await world.pass(i === 0 ? 31 : 60);
      await finish(world, `tick-${first + i}`, i % 2 ? "Failed" : "Complete");
    }
    expect(await names(world)).toEqual([`tick-${first + 3}`, `tick-${first + 4}`]);
    expect(await world.events()).toContain(`Normal SuccessfulDelete Deleted job tick-${first}`);
  });

  it("does not start what is too late", async () => {
    const world = await start({ suspend: true, startingDeadlineSeconds: 10 });
    await world.pass(75);
    await world.change(CronJobs, "tick", (cronJob) => (cronJob.spec.suspend = false));
    expect(await names(world)).toEqual([]);
    await world.pass(20);
    expect(await names(world)).toEqual([`tick-${first + 1}`]);
  });

  it("says what is wrong with its schedule or time zone", async () => {
    const world = await start({ schedule: "nonsense" });
    expect(await world.events()).toEqual([
      expect.stringMatching(/^Warning UnparseableSchedule unparseable schedule: "nonsense" : expected exactly 5 fields/),
    ]);
    const other = await start({ timeZone: "Mars/Olympus" });
    expect(await other.events()).toEqual(['Warning UnknownTimeZone invalid timeZone: "Mars/Olympus": unknown time zone Mars/Olympus']);
  });
});

describe("schedules", () => {
  const at = (text: string) => Date.parse(text);
  it.each([
    ["*/15 * * * *", undefined, "2026-01-01T00:07:00Z", "2026-01-01T00:15:00Z"],
    ["0 6 * * 1", "Etc/UTC", "2026-01-01T00:00:00Z", "2026-01-05T06:00:00Z"],
    ["0 6 * * *", "Europe/Berlin", "2026-01-01T00:00:00Z", "2026-01-01T05:00:00Z"],
    ["0 0 13 * 5", "Etc/UTC", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"],
    ["5/20 * * * *", "Etc/UTC", "2026-01-01T00:06:00Z", "2026-01-01T00:25:00Z"],
    ["@hourly", "Etc/UTC", "2026-01-01T00:07:00Z", "2026-01-01T01:00:00Z"],
    ["@every 1h30m", undefined, "2026-01-01T00:00:00.500Z", "2026-01-01T01:30:00Z"],
  ])("%s in %s after %s is %s", (text, timeZone, after, expected) => {
    expect(parseSchedule(text, timeZone)(at(after))).toBe(at(expected));
  });

  const cronJob = (more: Partial<CronJob["spec"]> = {}): CronJob =>
    ({
      metadata: { name: "tick", namespace: "a", uid: "u", creationTimestamp: "2026-01-01T00:00:30Z" },
      spec: spec(more),
      status: {},
    }) as CronJob;

  it("are due once, at the last time, also after a long time", () => {
    const schedule = parseSchedule("* * * * *", "Etc/UTC");
    expect(lastDue(cronJob(), schedule, at("2026-01-01T00:00:59Z"))).toEqual({ due: undefined, tooMany: false });
    expect(lastDue(cronJob(), schedule, at("2026-01-01T00:05:10Z"))).toEqual({ due: at("2026-01-01T00:05:00Z"), tooMany: false });
    expect(lastDue(cronJob(), schedule, at("2028-01-01T00:05:10Z"))).toEqual({ due: at("2028-01-01T00:05:00Z"), tooMany: true });
    expect(lastDue(cronJob({ startingDeadlineSeconds: 100 }), schedule, at("2028-01-01T00:05:10Z")).tooMany).toBe(false);
  });

  it("are written on the Job in the CronJob's own time zone", () => {
    const job = jobFor(cronJob({ timeZone: "Asia/Kolkata" }), at("2022-06-23T17:22:00Z"));
    expect(job.metadata).toMatchObject({
      name: "tick-27600082",
      annotations: { "batch.kubernetes.io/cronjob-scheduled-timestamp": "2022-06-23T22:52:00+05:30" },
    });
  });
});
