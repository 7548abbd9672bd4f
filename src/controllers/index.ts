import type { ControllerContext, ControllerFactory } from "../client/controller.ts";
import { createEventRecorder } from "../client/event-recorder.ts";
import { type Running, runController } from "../client/runner.ts";
import { clusterControllers } from "./cluster.ts";
import { createCronJobController } from "./cronjob.ts";
import { createDaemonSetController } from "./daemonset/daemonset.ts";
import { createDeploymentController } from "./deployment/deployment.ts";
import { createDisruptionController } from "./disruption.ts";
import { createHorizontalPodAutoscalerController } from "./horizontalpodautoscaler/horizontalpodautoscaler.ts";
import { createJobController } from "./job/job.ts";
import { createReplicaSetController, createReplicationController } from "./replicaset.ts";
import type { ClusterSettings } from "./settings.ts";
import { createStatefulSetController } from "./statefulset/statefulset.ts";
import { createTTLAfterFinishedController } from "./ttl-after-finished.ts";

/** A controller in the list, and the component that its events come from ("<name>-controller" when left out). */
interface Entry {
  create: ControllerFactory;
  component?: string;
}

/** Every controller of workloads by its name in upstream's list; those of the cluster itself are in cluster.ts. */
export const controllers: Readonly<Record<string, Entry>> = {
  cronjob: { create: createCronJobController },
  daemonset: { create: createDaemonSetController },
  deployment: { create: createDeploymentController },
  disruption: { create: createDisruptionController, component: "controllermanager" },
  horizontalpodautoscaler: { create: createHorizontalPodAutoscalerController, component: "horizontal-pod-autoscaler" },
  statefulset: { create: createStatefulSetController },
  job: { create: createJobController },
  replicaset: { create: createReplicaSetController },
  replicationcontroller: { create: createReplicationController, component: "replication-controller" },
  "ttl-after-finished": { create: createTTLAfterFinishedController },
};

/** Starts all controllers (those of the cluster itself only with settings), or those of the given names; stop() resolves when none reconciles any more. */
export function startControllers(
  context: Omit<ControllerContext, "events">,
  names?: readonly string[],
  settings?: ClusterSettings,
): Running {
  const entries: Readonly<Record<string, Entry>> = settings ? { ...controllers, ...clusterControllers(settings) } : controllers;
  const running = (names ?? Object.keys(entries)).map((name) => {
    const entry = entries[name];
    if (!entry) throw new Error(`there is no controller ${name}`);
    const events = createEventRecorder(context.client, context.clock, context.log, { component: entry.component ?? `${name}-controller` });
    return runController(entry.create({ ...context, events }), context);
  });
  return {
    async stop() {
      await Promise.all(running.map((controller) => controller.stop()));
    },
  };
}
