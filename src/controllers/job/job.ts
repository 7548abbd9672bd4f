import { isNamespaceTerminating } from "../../api/errors.ts";
import { matchesLabelSelector } from "../../api/meta/labels.ts";
import { key, keyOf } from "../../api/meta/object.ts";
import { controllerOf, isControlledBy } from "../../api/meta/owners.ts";
import type { Job } from "../../api/types/batch.v1.ts";
import type { Pod } from "../../api/types/core.v1.ts";
import { Jobs, Pods } from "../../api/types/resources.ts";
import type { Cache } from "../../client/cache.ts";
import { type ControllerContext, type ControllerFactory, soonest, watch } from "../../client/controller.ts";
import { Written } from "../../client/written.ts";
import { claim, ignoreMissing, indexByController, ownerKeys } from "../ownership.ts";
import { PodControl, slowStart } from "../pod-control.ts";
import { sameStatus } from "../status.ts";
import { isTracked, jobPod, trackingFinalizer } from "./job-pod.ts";
import { type PodPlan, planPods, withConditions } from "./plan.ts";
import { type Backoff, deadlineIn, jobCounts, nextBackoff, tally, verdict } from "./tally.ts";

/** The value of spec.managedBy that leaves a Job to this controller. */
const ownName = "kubernetes.io/job-controller";

/** Keys of pods that carry the finalizer but belong to no Job: its owner was deleted, and the pods were left. */
const orphanPrefix = "orphan:";

/** Runs pods until enough have succeeded: https://kubernetes.io/docs/concepts/workloads/controllers/job/ */
export const createJobController: ControllerFactory = (context) => {
  const jobs = context.caches.of(Jobs);
  const pods = context.caches.of(Pods);
  indexByController(pods);
  pods.addIndex("job", (pod) => {
    const owner = controllerOf(pod);
    return owner?.kind === "Job" && isTracked(pod) ? [key(pod.metadata.namespace, owner.name)] : [];
  });
  const runner = new JobRunner(context, jobs, pods);
  return {
    name: "job",
    watches: [
      watch(jobs, (job) => [keyOf(job)]),
      watch(
        pods,
        ownerKeys(jobs, ({ spec }) => spec.selector),
      ),
      watch(pods, (pod) => (isTracked(pod) && !controllerOf(pod) ? [orphanPrefix + keyOf(pod)] : [])),
    ],
    reconcile: (key) => (key.startsWith(orphanPrefix) ? runner.releaseOrphan(key.slice(orphanPrefix.length)) : runner.reconcile(key)),
  };
};

/** The condition that says that a Job has ended, if it has. */
export function finishedCondition({ status }: Job): NonNullable<Job["status"]["conditions"]>[number] | undefined {
  return status?.conditions?.find(({ type, status }) => (type === "Complete" || type === "Failed") && status === "True");
}

class JobRunner {
  private readonly context: ControllerContext;
  private readonly jobs: Cache<Job>;
  private readonly pods: Cache<Pod>;
  private readonly written: Written;
  private readonly control: PodControl;
  /** By the Job's uid; lost at a restart, and then Jobs start anew without waiting. */
  private readonly backoffs = new Map<string, Backoff>();

  constructor(context: ControllerContext, jobs: Cache<Job>, pods: Cache<Pod>) {
    this.context = context;
    this.jobs = jobs;
    this.pods = pods;
    this.written = new Written(context.clock);
    this.control = new PodControl(context.client, context.events, pods, this.written);
  }

  async reconcile(jobKey: string): Promise<number | void> {
    const job = this.jobs.byKey(jobKey);
    if (job?.spec.managedBy && job.spec.managedBy !== ownName) return;
    const wait = this.written.behind(jobKey);
    if (wait) return wait;
    await this.releaseStrangers(jobKey, job);
    // The API server gives every Job a selector; without one no pod would ever be found again.
    if (!job?.spec.selector) return;
    const { uid } = job.metadata;
    if (finishedCondition(job)) {
      this.backoffs.delete(uid);
      return;
    }
    const { client, clock, events } = this.context;
    const pods = await claim({
      client,
      cache: this.pods,
      owner: job,
      ownerResource: Jobs,
      selects: ({ metadata }) => matchesLabelSelector(job.spec.selector, metadata.labels),
      finalizer: trackingFinalizer,
      written: this.written,
    });
    const now = clock.now();
    const known: Job = { ...job, status: job.status ?? {} };
    const result = tally(known, pods);
    const end = verdict(known, result, now);
    const backoff = nextBackoff(this.backoffs.get(uid), result, now);
    const plan = planPods(known, result, pods, { decided: end !== undefined, backoff, now });
    const error = job.metadata.deletionTimestamp ? undefined : await this.apply(job, plan);
    const { status, events: news } = withConditions(known, jobCounts(known, result), end, now);
    if (!sameStatus(job.status, status)) {
      this.written.wrote(jobKey, this.jobs, await client.updateStatus(Jobs, { ...job, status }));
      for (const { type, reason, message } of news) events.event(job, type, reason, message);
    }
    this.backoffs.set(uid, backoff);
    // Only now that the status accounts for them.
    await Promise.all(result.release.map((pod) => this.release(jobKey, pod)));
    if (error !== undefined) throw error;
    return soonest(plan.again, deadlineIn({ ...job, status }, now));
  }

  /** Pods that no running Job counts any more must not wait for it: those of a Job that is gone, has ended, or of an older one of that name. */
  private async releaseStrangers(jobKey: string, job: Job | undefined): Promise<void> {
    const ended = !job || finishedCondition(job);
    const strangers = this.pods.byIndex("job", jobKey).filter((pod) => ended || !isControlledBy(pod, job));
    await Promise.all(strangers.map((pod) => this.release(jobKey, pod)));
  }

  /** Frees a pod that no Job owns and none will adopt. */
  async releaseOrphan(podKey: string): Promise<void> {
    const pod = this.pods.byKey(podKey);
    if (!pod || !isTracked(pod) || controllerOf(pod)) return;
    const { namespace, labels, deletionTimestamp } = pod.metadata;
    const adopts = (job: Job): boolean => !job.metadata.deletionTimestamp && matchesLabelSelector(job.spec.selector, labels);
    if (deletionTimestamp || !this.jobs.list(namespace).some(adopts)) await this.release(podKey, pod);
  }

  private async apply(job: Job, { create, remove }: PodPlan): Promise<unknown> {
    const made = await slowStart(create.length, (i) => this.control.create(job, jobPod(job, create[i]?.index, create[i]?.failures)));
    const results = await Promise.allSettled(remove.map((pod) => this.control.delete(job, pod)));
    if (made.error !== undefined && !isNamespaceTerminating(made.error)) return made.error;
    return results.find((result) => result.status === "rejected")?.reason;
  }

  private async release(jobKey: string, pod: Pod): Promise<void> {
    const { namespace, name, resourceVersion } = pod.metadata;
    const finalizers = (pod.metadata.finalizers ?? []).filter((finalizer) => finalizer !== trackingFinalizer);
    const body = { metadata: { resourceVersion, finalizers: finalizers.length ? finalizers : null } };
    const patched = await this.context.client.patch(Pods, { namespace, name }, { type: "merge", body }).catch(ignoreMissing);
    // A pod that was waiting to be deleted is gone with its last finalizer: the answer is then its last state.
    if (patched && !patched.metadata.deletionTimestamp) this.written.wrote(jobKey, this.pods, patched);
  }
}
