import { existsSync } from "node:fs";
import { request } from "node:http";
import { isReason } from "../../src/api/errors.ts";
import type { Pod } from "../../src/api/types/core.v1.ts";
import { Pods } from "../../src/api/types/resources.ts";
import { nodesReady } from "./hue.ts";
import { run } from "./process.ts";
import { ending, pause, type Running, type Scenario } from "./system.ts";
import { until } from "../support/wait.ts";

const socket = "/var/run/docker.sock";

/** Whether a Docker Engine answers. */
export function engineAnswers(): Promise<boolean> {
  return new Promise((resolve) => {
    if (!existsSync(socket)) return resolve(false);
    request({ socketPath: socket, path: "/_ping", timeout: 5000 }, (reply) => {
      reply.resume();
      resolve(reply.statusCode === 200);
    })
      .on("error", () => resolve(false))
      .end();
  });
}

/** An image with a shell that the engine has; nothing is pulled, which would be in the figures. */
export async function findImage(): Promise<string | undefined> {
  const images = (await run("docker", ["images", "--format", "{{.Repository}}:{{.Tag}}"])).split("\n");
  return images.find((image) => /(^|\/)(busybox|alpine):/.test(image));
}

/** From a start on an empty folder to a DNS answer inside a pod that is the cluster's first. */
export const dns: Scenario = {
  works: ["dns"],
  sides: ["hue"],
  async run(bench) {
    const server = await bench.start();
    const script = "until nslookup kubernetes.default.svc.cluster.local; do sleep 0.02; done";
    await createSoon(server, pod("first", bench.place.image, ["sh", "-c", script]));
    await phase(server, "first", "Succeeded");
    bench.record("dns.time", performance.now() - server.started);
    await server.client.delete(Pods, { namespace: "default", name: "first" });
    await server.stop();
  },
};

/** A pod, and what it would cost by hand, in turn. */
export const running: Scenario = {
  works: ["running"],
  sides: ["hue"],
  async run(bench) {
    const server = await bench.start();
    await nodesReady(server.client, 1);
    await createSoon(server, pod("warm", bench.place.image, ["sleep", "100000"]));
    await phase(server, "warm", "Running");
    const pods: number[] = [];
    const runs: number[] = [];
    for (let i = 0; i < bench.form.pods; i++) {
      const began = performance.now();
      await createSoon(server, pod(`pod-${i}`, bench.place.image, ["sleep", "100000"]));
      await phase(server, `pod-${i}`, "Running");
      pods.push(performance.now() - began);
      runs.push(await dockerRun(bench.place.image ?? ""));
    }
    bench.record("running.p50", middle(pods));
    bench.record("running.p50", middle(runs), "reference");
    await server.client.deleteCollection(Pods, { namespace: "default" });
    await until(server.client, { resource: Pods, namespace: "default" }, (left) => left.length === 0);
    await server.stop();
  },
};

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

async function dockerRun(image: string): Promise<number> {
  const name = `hue-bench-${process.pid}`;
  const remove = ending(async () => {
    await run("docker", ["rm", "--force", `${name}-pause`, name]);
  });
  const began = performance.now();
  await run("docker", ["run", "--detach", "--name", `${name}-pause`, "hue/pause:1"]);
  await run("docker", ["run", "--detach", "--name", name, "--network", `container:${name}-pause`, image, "sleep", "100000"]);
  const taken = performance.now() - began;
  await remove();
  return taken;
}

function pod(name: string, image = "", command: string[]) {
  const containers = [{ name: "c", image, imagePullPolicy: "IfNotPresent" as const, command }];
  const spec = { containers, restartPolicy: "Never" as const, terminationGracePeriodSeconds: 0 };
  return { apiVersion: "v1" as const, kind: "Pod" as const, metadata: { namespace: "default", name }, spec };
}

/** A new cluster refuses pods until the namespace has its service account. */
async function createSoon({ client }: Running, object: ReturnType<typeof pod>): Promise<void> {
  for (;;) {
    try {
      await client.create(Pods, object);
      return;
    } catch (error) {
      if (!isReason(error, "Forbidden") && !isReason(error, "NotFound")) throw error;
      await pause(10);
    }
  }
}

async function phase({ client }: Running, name: string, wanted: string): Promise<void> {
  let last: Pod | undefined;
  await until(
    client,
    { resource: Pods, namespace: "default", name },
    ([found]) => (last = found)?.status.phase === wanted || last?.status.phase === "Failed",
  );
  if (last?.status.phase !== wanted) throw new Error(`pod ${name} is ${last?.status.phase}: ${last?.status.message ?? ""}`);
}
