import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cleanup, freePort, nodeReady, type RunningProcess, startProcess, temporaryFolder } from "../support/hue.ts";
import { type Kubectl, kubectlFor } from "../support/kubectl.ts";
import { machine } from "../support/machine.ts";
import { forever, shellPod } from "../support/manifests.ts";
import { sharedCluster } from "../support/shared-cluster.ts";

const root = new URL("../..", import.meta.url).pathname;
// What a machine of 512 MiB has left for hue beside its kernel, the engine and the 40 shims of 20 pods.
const limit = 144 * 2 ** 20;

/** A memory cgroup (v1 or v2) with that limit; how often the kernel has ended a process for it. */
function memoryCgroup(bytes: number): { folder: string; kills(): number } {
  const v1 = existsSync("/sys/fs/cgroup/memory");
  const folder = `/sys/fs/cgroup/${v1 ? "memory/" : ""}hue-test-${process.pid}`;
  mkdirSync(folder);
  writeFileSync(join(folder, v1 ? "memory.limit_in_bytes" : "memory.max"), String(bytes));
  const kills = (): number =>
    Number(/oom_kill (\d+)/.exec(readFileSync(join(folder, v1 ? "memory.oom_control" : "memory.events"), "utf8"))?.[1]);
  return { folder, kills };
}

const dataDir = temporaryFolder();
const node = `small-${process.pid}`;
/** The other half of this run's ranges: see docker-cluster.ts. */
const second = (shared: string): string => `10.${Number(shared.split(".")[1]) + 2}`;
let cgroup: ReturnType<typeof memoryCgroup>;
let hue: RunningProcess;
let kubectl: Kubectl;

beforeAll(async () => {
  await machine(process.execPath, join(root, "build.ts"), "--if-changed");
  const { podRange, serviceRange } = sharedCluster();
  const services = second(serviceRange);
  const network = [
    "--cluster-cidr",
    `${second(podRange)}.0.0/16`,
    "--service-cidr",
    `${services}.0.0/16`,
    "--cluster-dns",
    `${services}.0.10`,
  ];
  const ports = ["--https-listen-port", "--ingress-http-port", "--ingress-https-port"];
  const args = ["server", "--data-dir", dataDir, "--node-name", node, "--kubelet-port", "0", ...network];
  for (const port of ports) args.push(port, String(await freePort()));
  cgroup = memoryCgroup(limit);
  hue = await startProcess(args, /the cluster is up/, { bundle: true, cgroup: cgroup.folder });
  kubectl = kubectlFor(join(dataDir, "kubeconfig.yaml"));
  await nodeReady(kubectl, node);
  await kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=20s");
});
afterAll(async () => {
  await hue?.stop();
  await cleanup(dataDir);
  rmdirSync(cgroup.folder);
});

test("20 pods run beside hue on a machine of 512 MiB, and nothing is killed", async () => {
  const probes = { livenessProbe: { exec: { command: ["true"] }, periodSeconds: 1 } };
  await kubectl.apply(Array.from({ length: 20 }, (_, i) => shellPod(`pod-${i}`, forever, { container: probes })));
  await kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=120s");
  const restarts = await kubectl("get", "pods", "-o", "jsonpath={.items[*].status.containerStatuses[*].restartCount}");
  expect(restarts.split(" ")).toEqual(Array(20).fill("0"));
  expect(hue.process.exitCode).toBeNull();
  expect(cgroup.kills()).toBe(0);
});
