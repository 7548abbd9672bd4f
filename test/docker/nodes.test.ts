import { afterEach, expect, test as plain } from "vitest";
import { nodeAddress } from "../support/machine.ts";
import { forever, shell, shellDeployment, shellPod } from "../support/manifests.ts";
import { sharedCluster, test } from "../support/shared-cluster.ts";

const { server, agents, nodes, podRange, serviceRange, kubectl: admin } = sharedCluster();
const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");
const nodeOf = ["-o", "jsonpath={range .items[*]}{.spec.nodeName}{'\\n'}{end}"];

interface Node {
  metadata: { name: string; labels: Record<string, string>; annotations: Record<string, string> };
  spec: { podCIDR: string; podCIDRs: string[] };
  status: {
    addresses: { type: string; address: string }[];
    capacity: Record<string, string>;
    allocatable: Record<string, string>;
    conditions: { type: string; status: string; reason: string; message: string; lastHeartbeatTime: string; lastTransitionTime: string }[];
    daemonEndpoints: { kubeletEndpoint: { Port: number } };
    images: { names: string[]; sizeBytes: number }[];
    nodeInfo: Record<string, string>;
  };
}

// A test that fails must not leave the cluster cordoned for the others.
afterEach(async () => {
  await admin.run(["uncordon", ...nodes]);
});

plain("AT-14 a server and two agents are three ready nodes with their roles and version", async () => {
  const [head, ...rows] = lines(await admin("get", "no"));
  expect(head?.split(/\s+/)).toEqual(["NAME", "STATUS", "ROLES", "AGE", "VERSION"]);
  const of = (name: string): string => rows.find((row) => row.startsWith(`${name} `)) ?? "";
  expect(of(server)).toMatch(/^\S+\s+Ready\s+control-plane\s+\S+\s+v1\.36\./);
  for (const agent of agents) expect(of(agent)).toMatch(/^\S+\s+Ready\s+<none>\s+\S+\s+v1\.36\./);
});

plain("S4-1C a node tells its labels, range, addresses, capacity, conditions, images and system", async () => {
  const ranges = new Set<string>();
  for (const name of nodes) {
    const { metadata, spec, status } = await admin.json<Node>("get", "node", name);
    expect(metadata.labels).toMatchObject({
      "kubernetes.io/hostname": name,
      "kubernetes.io/os": "linux",
      "beta.kubernetes.io/os": "linux",
    });
    expect(metadata.labels["kubernetes.io/arch"]).toBe(metadata.labels["beta.kubernetes.io/arch"]);
    expect(metadata.labels["node.kubernetes.io/instance-type"]).toBeTruthy();
    expect(metadata.annotations["volumes.kubernetes.io/controller-managed-attach-detach"]).toBe("true");
    expect(spec.podCIDR).toMatch(new RegExp(`^${podRange.replace(".", "\\.")}\\.\\d+\\.0/24$`));
    expect(spec.podCIDRs).toEqual([spec.podCIDR]);
    ranges.add(spec.podCIDR);
    expect(status.addresses).toEqual(
      expect.arrayContaining([
        { type: "InternalIP", address: nodeAddress },
        { type: "Hostname", address: name },
      ]),
    );
    expect(Object.keys(status.capacity)).toEqual(expect.arrayContaining(["cpu", "ephemeral-storage", "hugepages-2Mi", "memory", "pods"]));
    expect(status.capacity["pods"]).toBe("110");
    expect(status.allocatable["memory"]).toMatch(/^\d+Ki$/);
    const conditions = status.conditions.map((c) => [c.type, c.status, c.reason, c.message]);
    expect(conditions).toEqual([
      ["MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"],
      ["DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
      ["PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"],
      ["Ready", "True", "KubeletReady", "kubelet is posting ready status"],
    ]);
    for (const { lastHeartbeatTime, lastTransitionTime } of status.conditions) expect(lastHeartbeatTime >= lastTransitionTime).toBe(true);
    expect(status.daemonEndpoints.kubeletEndpoint.Port).toBeGreaterThan(0);
    const sizes = status.images.map((i) => i.sizeBytes);
    expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
    expect(status.images.flatMap((i) => i.names).some((n) => n.includes("hue-platform/base"))).toBe(true);
    expect(status.nodeInfo["containerRuntimeVersion"]).toMatch(/^docker:\/\/\d/);
    for (const key of ["architecture", "bootID", "kernelVersion", "kubeletVersion", "machineID", "operatingSystem", "osImage"])
      expect(status.nodeInfo[key], key).toBeTruthy();
  }
  expect(ranges.size).toBe(nodes.length);
});

plain("a node has the labels that it was started with", async () => {
  expect(await admin("get", "nodes", "-l", "hue.example/room=cellar", "-o", "name")).toBe(`node/${server}\n`);
});

plain("S4-1B every node beats: its Lease in kube-node-lease is renewed", async () => {
  const times = ["get", "lease", "-n", "kube-node-lease", "-o", "jsonpath={range .items[*]}{.metadata.name}={.spec.renewTime}{'\\n'}{end}"];
  const first = new Map(lines(await admin(...times)).map((line) => line.split("=") as [string, string]));
  expect([...first.keys()].sort()).toEqual([...nodes].sort());
  await admin.until(
    times,
    (out) => lines(out).every((line) => (line.split("=")[1] ?? "") > (first.get(line.split("=")[0] ?? "") ?? "~")),
    25,
  );
});

plain("AT-03 the cluster's DNS is the Service kube-dns of kube-system", async () => {
  const [, row = ""] = lines(await admin("get", "svc", "-n", "kube-system", "-l", "k8s-app=kube-dns", "--show-labels"));
  expect(row).toMatch(
    new RegExp(`^kube-dns\\s+ClusterIP\\s+${serviceRange.replace(".", "\\.")}\\.0\\.10\\s.*53/UDP,53/TCP.*k8s-app=kube-dns`),
  );
});

test("AT-35 a DaemonSet has one pod on each node, also a tainted one that it tolerates, and cannot be scaled", async ({ kubectl }) => {
  const daemon = {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "collect" },
    spec: {
      selector: { matchLabels: { app: "collect" } },
      template: {
        metadata: { labels: { app: "collect" } },
        spec: { hostNetwork: true, hostPID: true, hostIPC: true, terminationGracePeriodSeconds: 1, containers: [shell("main", forever)] },
      },
    },
  };
  await kubectl.apply(daemon);
  await kubectl("rollout", "status", "daemonset/collect", "--timeout=60s");
  expect(lines(await kubectl("get", "pods", ...nodeOf)).sort()).toEqual([...nodes].sort());
  const labels = await kubectl("get", "pods", "-o", "jsonpath={.items[*].metadata.labels}");
  expect(labels).toContain('"pod-template-generation":"1"');
  expect(labels).toMatch(/"controller-revision-hash":"[0-9a-z]+"/);
  expect(lines(await kubectl("get", "controllerrevisions", "--no-headers"))).toHaveLength(1);
  const scaled = await kubectl.run(["scale", "--replicas=2", "daemonset/collect"]);
  expect(scaled.code).toBe(1);
  expect(scaled.stderr).toContain("Error from server (NotFound): the server could not find the requested resource");
  const gone = lines(await kubectl("get", "pods", "-o", "name"))[0] ?? "";
  await kubectl("delete", gone);
  await kubectl("rollout", "status", "daemonset/collect", "--timeout=60s");
  expect(lines(await kubectl("get", "pods", ...nodeOf)).sort()).toEqual([...nodes].sort());
  await kubectl(
    "patch",
    "daemonset",
    "collect",
    "-p",
    JSON.stringify({ spec: { template: { spec: { nodeSelector: { "kubernetes.io/hostname": server } } } } }),
  );
  await kubectl.until(["get", "pods", ...nodeOf], (out) => out === `${server}\n`, 40);
});

test("AT-36 S4-1G a cordoned node gets no new pods; drained, it loses those it has, but a budget is kept", async ({ kubectl }) => {
  const [node = ""] = agents;
  await kubectl.apply([
    shellDeployment("moving", 2, forever, { spec: { nodeSelector: undefined, affinity: prefers(node) } }),
    {
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: { name: "moving" },
      spec: { minAvailable: 2, selector: { matchLabels: { app: "moving" } } },
    },
  ]);
  await kubectl("rollout", "status", "deployment/moving", "--timeout=60s");
  expect(lines(await kubectl("get", "pods", ...nodeOf))).toEqual([node, node]);
  expect(await admin("cordon", node)).toBe(`node/${node} cordoned\n`);
  expect(await admin("get", "node", node, "--no-headers")).toMatch(/\sReady,SchedulingDisabled\s/);
  await kubectl.apply(shellPod("late", forever, { spec: { nodeSelector: { "kubernetes.io/hostname": node } } }));
  await kubectl.until(
    ["get", "events", "--field-selector=involvedObject.name=late"],
    (out) => /1 node\(s\) were unschedulable/.test(out),
    20,
  );
  await kubectl("delete", "pod", "late");
  await kubectl.until(["get", "pdb", "moving", "-o", "jsonpath={.status.currentHealthy}"], (out) => out === "2");
  const refused = await admin.run([
    "drain",
    node,
    "--ignore-daemonsets",
    "--force",
    "--delete-emptydir-data",
    "--timeout=2s",
    "--pod-selector=app=moving",
  ]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("Cannot evict pod as it would violate the pod's disruption budget.");
  await kubectl("delete", "pdb", "moving");
  expect(
    await admin("drain", node, "--ignore-daemonsets", "--force", "--delete-emptydir-data", "--timeout=60s", "--pod-selector=app=moving"),
  ).toContain(`node/${node} drained`);
  await kubectl("rollout", "status", "deployment/moving", "--timeout=60s");
  expect(await kubectl("get", "pods", "--field-selector=status.phase=Running", ...nodeOf)).not.toContain(node);
  expect(await admin("uncordon", node)).toBe(`node/${node} uncordoned\n`);
});

function prefers(name: string): object {
  const preference = { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [name] }] };
  return { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference }] } };
}
