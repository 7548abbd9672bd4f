import { Deployments, Pods } from "../../src/api/types/resources.ts";
import { nodesReady } from "./hue.ts";
import { countSyncs, usage } from "./process.ts";
import { type Bench, pause, type Running, type Scenario } from "./system.ts";
import { isTrue, until } from "../support/wait.ts";

const replicas = 20;
/** Seconds in which leases and events come to the disk at least once: a shorter look tells nothing. */
const flushInterval = 300;

/** One node with 20 pods that do nothing. */
export const rest: Scenario = {
  works: ["rest"],
  sides: ["hue"],
  once: "always",
  async run(bench) {
    const server = await bench.start();
    await nodesReady(server.client, 1);
    await runPods(bench, server);
    await pause(2 * bench.form.settle * 1000);
    const { rest } = bench.form;
    const pids = server.pids();
    const before = usage(pids);
    await pause(rest * 1000);
    const after = usage(pids);
    bench.record("rest.CPU", (after.cpu - before.cpu) / rest / 10);
    if (rest < flushInterval) bench.note("What is written at rest is measured in the full form only");
    else {
      bench.record("rest.bytes", ((after.written - before.written) * 3600) / rest / 1e6);
      const [pid = 0] = pids;
      const syncs = await countSyncs(pid, rest);
      if (syncs === undefined) bench.note("strace is missing or may not look: fsyncs at rest were not counted");
      else bench.record("rest.count", (syncs * 60) / rest);
    }
    await server.client.delete(Deployments, { namespace: "default", name: "rest" });
    await until(server.client, { resource: Pods, namespace: "default" }, (pods) => pods.length === 0);
    await server.stop();
  },
};

async function runPods({ place }: Bench, { client }: Running): Promise<void> {
  const labels = { app: "rest" };
  const image = place.image ?? "busybox";
  const containers = [{ name: "c", image, imagePullPolicy: "IfNotPresent" as const, command: ["sleep", "100000"] }];
  const template = { metadata: { labels }, spec: { containers, terminationGracePeriodSeconds: 0 } };
  await client.create(Deployments, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { namespace: "default", name: "rest" },
    spec: { replicas, selector: { matchLabels: labels }, template },
  });
  const allReady = (pods: { status: { conditions?: readonly { type: string; status: string }[] } }[]): boolean =>
    pods.length === replicas && pods.every((pod) => isTrue(pod.status.conditions, "Ready"));
  await until(client, { resource: Pods, namespace: "default" }, allReady);
}
