import { Cron } from "croner";
import { checkSchedule, checkTimeZone, everyOf, plainSchedule } from "../api/batch/schedule.ts";
import { isNamespaceTerminating, isReason } from "../api/errors.ts";
import { type Creatable, keyOf } from "../api/meta/object.ts";
import { controllerReference, isControlledBy } from "../api/meta/owners.ts";
import { formatTime, parseDuration } from "../api/meta/time.ts";
import type { CronJob, CronJobStatus, Job } from "../api/types/batch.v1.ts";
import type { ObjectReference } from "../api/types/core.v1.ts";
import { CronJobs, Jobs } from "../api/types/resources.ts";
import type { Cache } from "../client/cache.ts";
import { type ControllerContext, type ControllerFactory, watch } from "../client/controller.ts";
import { Written } from "../client/written.ts";
import { finishedCondition } from "./job/job.ts";
import { ignoreMissing, indexByController, ownedBy, ownerKeys } from "./ownership.ts";
import { messageOf } from "./pod-control.ts";
import { sameStatus } from "./status.ts";

/** Tells the next time after a given one, both in milliseconds; undefined when there is none. */
export type Schedule = (after: number) => number | undefined;

/** The schedule of a text that CronJobs take. Without a time zone the process's own counts. Throws for what it cannot read. */
export function parseSchedule(text: string, timeZone?: string): Schedule {
  const wrong = checkSchedule(text);
  if (wrong) throw new Error(wrong);
  const plain = plainSchedule(text);
  if (plain === undefined) {
    const interval = parseDuration(everyOf(text) ?? "");
    if (!interval || interval < 0) throw new Error(`failed to parse duration ${text}`);
    const seconds = Math.max(1, Math.floor(interval / 1000)) * 1000;
    return (after) => Math.floor(after / 1000) * 1000 + seconds;
  }
  const cron = new Cron(plain, { paused: true, ...(timeZone ? { timezone: timeZone } : {}) });
  return (after) => cron.nextRun(new Date(after))?.getTime();
}

/** The last time that was due and not started, and whether more than 100 were missed. `now` in milliseconds. */
export function lastDue(cronJob: CronJob, schedule: Schedule, now: number): { due: number | undefined; tooMany: boolean } {
  const { startingDeadlineSeconds } = cronJob.spec;
  let time = Date.parse(cronJob.status?.lastScheduleTime ?? cronJob.metadata.creationTimestamp);
  if (startingDeadlineSeconds !== undefined) time = Math.max(time, now - startingDeadlineSeconds * 1000);
  let due: number | undefined;
  let missed = 0;
  for (let next = schedule(time); next !== undefined && next <= now; next = schedule(next)) {
    due = next;
    if (++missed <= 100) continue;
    // Long down: skip to the present in one go, by the distance of two times.
    const step = (schedule(next) ?? next) - next;
    if (step > 0) next += Math.max(0, Math.floor((now - next) / step) - 1) * step;
  }
  return { due, tooMany: missed > 100 };
}

/** The Job for that time, named after its minute since 1970. */
export function jobFor(cronJob: CronJob, time: number): Creatable<Job> {
  const { metadata, spec } = cronJob.spec.jobTemplate;
  const scheduled = { "batch.kubernetes.io/cronjob-scheduled-timestamp": zonedTime(time, cronJob.spec.timeZone) };
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name: `${cronJob.metadata.name}-${Math.floor(time / 60_000)}`,
      namespace: cronJob.metadata.namespace,
      ...(metadata?.labels ? { labels: metadata.labels } : {}),
      annotations: { ...metadata?.annotations, ...scheduled },
      ownerReferences: [controllerReference(cronJob)],
    },
    spec: spec ?? { template: {} },
  };
}

/** The Jobs that the history limits let go: the oldest of those that succeeded, and of those that failed. */
export function superfluousJobs({ spec }: CronJob, jobs: readonly Job[]): Job[] {
  const oldest = (type: string, limit: number | undefined): Job[] => {
    if (limit === undefined) return [];
    const ended = jobs.filter((job) => finishedCondition(job)?.type === type);
    const start = ({ status, metadata }: Job): string => `${status?.startTime ?? ""} ${metadata.name}`;
    return ended.sort((a, b) => (start(a) < start(b) ? -1 : 1)).slice(0, Math.max(0, ended.length - limit));
  };
  return [...oldest("Complete", spec.successfulJobsHistoryLimit), ...oldest("Failed", spec.failedJobsHistoryLimit)];
}

/** Makes Jobs on a schedule: https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ */
export const createCronJobController: ControllerFactory = (context) => {
  const cronJobs = context.caches.of(CronJobs);
  const jobs = context.caches.of(Jobs);
  indexByController(jobs);
  const runner = new CronJobRunner(context, cronJobs, jobs);
  return {
    name: "cronjob",
    watches: [
      watch(cronJobs, (cronJob) => [keyOf(cronJob)]),
      watch(
        jobs,
        ownerKeys(cronJobs, () => undefined),
      ),
    ],
    reconcile: (key) => runner.reconcile(key),
  };
};

class CronJobRunner {
  private readonly context: ControllerContext;
  private readonly cronJobs: Cache<CronJob>;
  private readonly jobs: Cache<Job>;
  private readonly written: Written;

  constructor(context: ControllerContext, cronJobs: Cache<CronJob>, jobs: Cache<Job>) {
    this.context = context;
    this.cronJobs = cronJobs;
    this.jobs = jobs;
    this.written = new Written(context.clock);
  }

  async reconcile(key: string): Promise<number | void> {
    const cronJob = this.cronJobs.byKey(key);
    if (!cronJob) return;
    const wait = this.written.behind(key);
    if (wait) return wait;
    const jobs = ownedBy(this.jobs, cronJob);
    const status = this.follow(cronJob, jobs);
    const superfluous = superfluousJobs(cronJob, jobs);
    for (const job of superfluous) await this.remove(cronJob, job);
    const again = cronJob.metadata.deletionTimestamp ? undefined : await this.start(cronJob, status);
    if (!sameStatus(cronJob.status, status)) {
      const updated = await this.context.client.updateStatus(CronJobs, { ...cronJob, status });
      this.written.wrote(key, this.cronJobs, updated);
    }
    return again;
  }

  /** The status after what has become of the Jobs. */
  private follow(cronJob: CronJob, jobs: readonly Job[]): CronJobStatus {
    const { events } = this.context;
    const known = cronJob.status?.active ?? [];
    const active: ObjectReference[] = [];
    let lastSuccessfulTime = cronJob.status?.lastSuccessfulTime;
    for (const reference of known) {
      const job = jobs.find(({ metadata }) => metadata.uid === reference.uid);
      const end = job && finishedCondition(job);
      if (!job) events.event(cronJob, "Normal", "MissingJob", `Active job went missing: ${reference.name}`);
      else if (end) events.event(cronJob, "Normal", "SawCompletedJob", `Saw completed job: ${job.metadata.name}, condition: ${end.type}`);
      else active.push(reference);
    }
    for (const job of jobs) {
      const time = finishedCondition(job)?.type === "Complete" ? job.status.completionTime : undefined;
      if (time && (!lastSuccessfulTime || time > lastSuccessfulTime)) lastSuccessfulTime = time;
      if (finishedCondition(job) || known.some(({ uid }) => uid === job.metadata.uid)) continue;
      const message = `Saw a job that the controller did not create or forgot: ${job.metadata.name}`;
      events.event(cronJob, "Warning", "UnexpectedJob", message);
    }
    const { active: _, lastSuccessfulTime: __, ...rest } = cronJob.status ?? {};
    return { ...rest, ...(active.length ? { active } : {}), ...(lastSuccessfulTime ? { lastSuccessfulTime } : {}) };
  }

  /** Starts what is due, and notes it in the status; returns when the next one is. */
  private async start(cronJob: CronJob, status: CronJobStatus): Promise<number | undefined> {
    const { events, clock } = this.context;
    const { timeZone, suspend, concurrencyPolicy, startingDeadlineSeconds } = cronJob.spec;
    const now = clock.now();
    const wrongZone = timeZone === undefined ? undefined : checkTimeZone(timeZone);
    if (wrongZone) {
      events.event(cronJob, "Warning", "UnknownTimeZone", `invalid timeZone: "${timeZone}": ${wrongZone}`);
      return undefined;
    }
    if (suspend) return undefined;
    let schedule: Schedule;
    try {
      schedule = parseSchedule(cronJob.spec.schedule, timeZone);
    } catch (error) {
      events.event(cronJob, "Warning", "UnparseableSchedule", `unparseable schedule: "${cronJob.spec.schedule}" : ${messageOf(error)}`);
      return undefined;
    }
    const next = schedule(now);
    // A little later than the time itself, so that it has surely come.
    const again = next === undefined ? undefined : next - now + 100;
    const { due, tooMany } = lastDue({ ...cronJob, status }, schedule, now);
    if (tooMany)
      events.event(
        cronJob,
        "Warning",
        "TooManyMissedTimes",
        "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew",
      );
    if (due === undefined) return again;
    if (startingDeadlineSeconds !== undefined && due + startingDeadlineSeconds * 1000 < now) {
      events.event(
        cronJob,
        "Warning",
        "MissSchedule",
        `Missed scheduled time to start a job: ${new Date(due).toUTCString().replace("GMT", "+0000")}`,
      );
      return again;
    }
    const wanted = jobFor(cronJob, due);
    if (status.active?.some(({ name }) => name === wanted.metadata.name)) return again;
    if (concurrencyPolicy === "Forbid" && status.active?.length) {
      const message = "Not starting job because prior execution is running and concurrency policy is Forbid";
      events.event(cronJob, "Normal", "JobAlreadyActive", message);
      return again;
    }
    if (concurrencyPolicy === "Replace") await this.removeActive(cronJob, status);
    await this.create(cronJob, wanted, status, due);
    return again;
  }

  private async create(cronJob: CronJob, wanted: Creatable<Job>, status: CronJobStatus, due: number): Promise<void> {
    const { client, events } = this.context;
    let job: Job;
    try {
      job = await client.create(Jobs, wanted);
      this.written.wrote(keyOf(cronJob), this.jobs, job);
      events.event(cronJob, "Normal", "SuccessfulCreate", `Created job ${job.metadata.name}`);
    } catch (error) {
      if (isNamespaceTerminating(error)) return;
      if (!isReason(error, "AlreadyExists")) {
        events.event(cronJob, "Warning", "FailedCreate", `Error creating job: ${messageOf(error)}`);
        throw error;
      }
      // Made before, but the status was not written: it is this time's Job when it is ours.
      const { namespace, name = "" } = wanted.metadata;
      job = await client.get(Jobs, { namespace, name });
      if (!isControlledBy(job, cronJob)) throw error;
    }
    const { namespace, name, uid, resourceVersion } = job.metadata;
    status.lastScheduleTime = formatTime(due);
    if (!finishedCondition(job))
      status.active = [...(status.active ?? []), { apiVersion: "batch/v1", kind: "Job", namespace, name, uid, resourceVersion }];
  }

  private async removeActive(cronJob: CronJob, status: CronJobStatus): Promise<void> {
    const active = new Set(status.active?.map(({ uid }) => uid));
    for (const job of ownedBy(this.jobs, cronJob)) if (active.has(job.metadata.uid)) await this.remove(cronJob, job);
    delete status.active;
  }

  private async remove(cronJob: CronJob, job: Job): Promise<void> {
    const { name, uid } = job.metadata;
    try {
      await this.context.client
        .delete(Jobs, job.metadata, { propagationPolicy: "Background", preconditions: { uid } })
        .catch(ignoreMissing);
    } catch (error) {
      this.context.events.event(cronJob, "Warning", "FailedDelete", `Deleted job: ${messageOf(error)}`);
      throw error;
    }
    this.written.deleted(keyOf(cronJob), this.jobs, job);
    this.context.events.event(cronJob, "Normal", "SuccessfulDelete", `Deleted job ${name}`);
  }
}

/** RFC 3339 in that time zone, UTC without one. */
function zonedTime(time: number, timeZone = "UTC"): string {
  const parts = new Intl.DateTimeFormat("en", { timeZone, timeZoneName: "longOffset" }).formatToParts(time);
  const offset = parts.find(({ type }) => type === "timeZoneName")?.value.replace("GMT", "") || "+00:00";
  if (offset === "+00:00") return formatTime(time);
  const [hours = 0, minutes = 0] = offset.split(":").map(Number);
  const shift = (Math.abs(hours) * 60 + minutes) * (offset.startsWith("-") ? -1 : 1);
  return formatTime(time + shift * 60_000).replace("Z", offset);
}
