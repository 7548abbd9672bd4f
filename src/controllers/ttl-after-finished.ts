import { isReason } from "../api/errors.ts";
import { keyOf } from "../api/meta/object.ts";
import type { Job } from "../api/types/batch.v1.ts";
import { Jobs } from "../api/types/resources.ts";
import { type ControllerFactory, watch } from "../client/controller.ts";
import { finishedCondition } from "./job/job.ts";

/** In how many milliseconds a Job that has ended shall be deleted; undefined when it has not ended or stays. */
export function deletionDue(job: Job, now: number): number | undefined {
  const { ttlSecondsAfterFinished } = job.spec;
  const ended = finishedCondition(job)?.lastTransitionTime;
  if (ttlSecondsAfterFinished === undefined || !ended || job.metadata.deletionTimestamp) return undefined;
  return Math.max(0, Date.parse(ended) + ttlSecondsAfterFinished * 1000 - now);
}

/** Deletes Jobs, with their pods, ttlSecondsAfterFinished after their end. */
export const createTTLAfterFinishedController: ControllerFactory = ({ caches, client, clock }) => {
  const jobs = caches.of(Jobs);
  return {
    name: "ttl-after-finished",
    watches: [watch(jobs, (job) => [keyOf(job)])],
    async reconcile(key) {
      const job = jobs.byKey(key);
      const due = job && deletionDue(job, clock.now());
      if (!job || due !== 0) return due;
      const { uid, resourceVersion } = job.metadata;
      try {
        await client.delete(Jobs, job.metadata, { propagationPolicy: "Foreground", preconditions: { uid, resourceVersion } });
      } catch (error) {
        if (!isReason(error, "NotFound")) throw error;
      }
    },
  };
};
