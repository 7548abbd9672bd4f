import { afterEach, expect } from "vitest";
import { hueReminders, troubleShooter } from "../support/book.ts";
import type { Kubectl } from "../support/kubectl.ts";
import { forever, shellDeployment, shellPod } from "../support/manifests.ts";
import { sharedCluster, test } from "../support/shared-cluster.ts";

const { server, agents, nodes, podRange, kubectl: admin } = sharedCluster();
const nodeOf = ["-o", "jsonpath={range .items[*]}{.spec.nodeName}{'\\n'}{end}"];
const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");
const unbound = async (kubectl: Kubectl, pod: string, why: string): Promise<void> => {
  await kubectl.until(
    ["get", "events", "--field-selector", `involvedObject.name=${pod},reason=FailedScheduling`, "-o", "jsonpath={.items[*].message}"],
    (out) => out.includes(why),
    20,
  );
  expect(await kubectl("get", "pod", pod, "-o", "jsonpath={.status.phase} {.spec.nodeName}")).toBe("Pending ");
};

// A test that fails must not leave the cluster tainted for the others.
afterEach(async () => {
  for (const node of nodes) await admin.run(["patch", "node", node, "--type=merge", "-p", '{"spec":{"taints":null,"unschedulable":null}}']);
});

test("AT-15 nodeSelector puts a pod on the node of that name, and leaves it pending when no node has the label", async ({ kubectl }) => {
  const [node = ""] = agents;
  await kubectl.apply(troubleShooter(node));
  await kubectl("wait", "--for=condition=Ready", "pod/trouble-shooter", "--timeout=60s");
  expect(await kubectl("get", "po", "trouble-shooter", "-o", "jsonpath={.spec.nodeName}")).toBe(node);
  await kubectl.until(["logs", "trouble-shooter"], (out) => out === "started...\n", 10);
  const wide = lines(await kubectl("get", "po", "-o", "wide"));
  expect(wide[0]?.split(/\s{2,}/)).toEqual([
    "NAME",
    "READY",
    "STATUS",
    "RESTARTS",
    "AGE",
    "IP",
    "NODE",
    "NOMINATED NODE",
    "READINESS GATES",
  ]);
  expect(wide[1]).toMatch(new RegExp(`${podRange.replace(".", "\\.")}\\.\\d+\\.\\d+\\s+${node}\\s+<none>\\s+<none>$`));
  await kubectl.apply(shellPod("nowhere", forever, { spec: { nodeSelector: { "hue.example/disk": "tape" } } }));
  await unbound(
    kubectl,
    "nowhere",
    `0/${nodes.length} nodes are available: ${nodes.length} node(s) didn't match Pod's node affinity/selector.`,
  );
  await admin("label", "node", node, "hue.example/disk=tape");
  try {
    await kubectl("wait", "--for=condition=Ready", "pod/nowhere", "--timeout=60s");
    expect(await kubectl("get", "po", "nowhere", "-o", "jsonpath={.spec.nodeName}")).toBe(node);
  } finally {
    await admin("label", "node", node, "hue.example/disk-");
  }
});

test("AT-16 a NoExecute taint sends pods away to another node, but not those elsewhere and those that tolerate it", async ({ kubectl }) => {
  const [other = ""] = agents;
  await kubectl.apply([
    shellDeployment("learn", 1, forever, { spec: { affinity: preferNode(server) } }),
    shellPod("tolerant", forever, {
      spec: { nodeName: server, tolerations: [{ key: "control-plane", operator: "Equal", value: "true", effect: "NoExecute" }] },
    }),
  ]);
  await kubectl.apply(troubleShooter(other));
  await kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s");
  expect(await kubectl("get", "pods", "-l", "app=learn", ...nodeOf)).toBe(`${server}\n`);
  const ids = async (): Promise<string> =>
    await kubectl("get", "pod", "tolerant", "trouble-shooter", "-o", "jsonpath={.items[*].status.containerStatuses[0].containerID}");
  const before = await ids();
  expect(await admin("taint", "nodes", server, "control-plane=true:NoExecute")).toBe(`node/${server} tainted\n`);
  expect(JSON.parse(await admin("get", "nodes", server, "-o", "jsonpath={.spec.taints[0]}"))).toEqual({
    effect: "NoExecute",
    key: "control-plane",
    value: "true",
  });
  const moved = await kubectl.until(
    ["get", "pods", "-l", "app=learn", ...nodeOf],
    (out) => lines(out).length === 1 && !out.includes(server),
    30,
  );
  expect(agents).toContain(moved.trim());
  await kubectl("rollout", "status", "deployment/learn", "--timeout=60s");
  expect(await ids()).toBe(before);
});

test("AT-16 NoSchedule keeps new pods out but not running ones; PreferNoSchedule only prefers others; tolerations allow", async ({
  kubectl,
}) => {
  const on = (node: string) => ({ nodeSelector: { "kubernetes.io/hostname": node } });
  await kubectl.apply(shellPod("running", forever, { spec: on(server) }));
  await kubectl("wait", "--for=condition=Ready", "pod/running", "--timeout=60s");
  await admin("taint", "nodes", server, "team=red:NoSchedule");
  await kubectl.apply([
    shellPod("refused", forever, { spec: on(server) }),
    shellPod("allowed", forever, { spec: { ...on(server), tolerations: [{ key: "team", operator: "Exists", effect: "NoSchedule" }] } }),
  ]);
  await kubectl("wait", "--for=condition=Ready", "pod/allowed", "pod/running", "--timeout=60s");
  await unbound(
    kubectl,
    "refused",
    `0/${nodes.length} nodes are available: 1 node(s) had untolerated taint(s), ${nodes.length - 1} node(s) didn't match Pod's node affinity/selector.`,
  );
  expect(await admin("taint", "nodes", server, "team-")).toBe(`node/${server} untainted\n`);
  await kubectl("wait", "--for=condition=Ready", "pod/refused", "--timeout=60s");
  const [avoided = "", preferred = ""] = agents;
  await admin("taint", "nodes", server, avoided, "team=red:PreferNoSchedule");
  await kubectl.apply([shellPod("free", forever), shellPod("bound", forever, { spec: on(avoided) })]);
  await kubectl("wait", "--for=condition=Ready", "pod/free", "pod/bound", "--timeout=60s");
  expect(await kubectl("get", "pod", "free", "-o", "jsonpath={.spec.nodeName}")).toBe(preferred);
});

test("AT-17 nodeSelector and a node affinity that contradicts it leave the pod pending, and say why", async ({ kubectl }) => {
  const [node = ""] = agents;
  const expression = (operator: string, values: string[]) => ({ key: "kubernetes.io/hostname", operator, values });
  const required = (operator: string, values: string[]) => ({
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [expression(operator, values)] }] },
    },
  });
  await kubectl.apply([
    shellPod("torn", forever, { spec: { nodeSelector: { "kubernetes.io/hostname": node }, affinity: required("NotIn", [node]) } }),
    shellPod("avoids", forever, { spec: { affinity: required("NotIn", agents) } }),
  ]);
  await unbound(
    kubectl,
    "torn",
    `0/${nodes.length} nodes are available: ${nodes.length} node(s) didn't match Pod's node affinity/selector.`,
  );
  await kubectl("wait", "--for=condition=Ready", "pod/avoids", "--timeout=60s");
  expect(await kubectl("get", "pod", "avoids", "-o", "jsonpath={.spec.nodeName}")).toBe(server);
});

test("AT-18 pod affinity brings all replicas to the other pod's node, anti-affinity keeps them apart", async ({ kubectl }) => {
  const [, node = ""] = agents;
  await kubectl.apply(troubleShooter(node));
  await kubectl("wait", "--for=condition=Ready", "pod/trouble-shooter", "--timeout=60s");
  await kubectl.apply(
    hueReminders(
      2,
      `
      affinity:
        podAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - labelSelector:
              matchExpressions:
              - key: role
                operator: In
                values:
                - trouble-shooter
            topologyKey: kubernetes.io/hostname`,
    ),
  );
  const apart = {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { labelSelector: { matchLabels: { app: "apart" } }, topologyKey: "kubernetes.io/hostname" },
      ],
    },
  };
  await kubectl.apply(shellDeployment("apart", nodes.length + 1, forever, { spec: { affinity: apart } }));
  await kubectl("rollout", "status", "deployment/hue-reminders", "--timeout=60s");
  expect(lines(await kubectl("get", "pods", "-l", "app=hue,service=reminders", ...nodeOf))).toEqual([node, node]);
  await kubectl.until(["get", "events", "--field-selector=reason=FailedScheduling"], (out) =>
    out.includes(`${nodes.length} node(s) didn't match pod anti-affinity rules`),
  );
  const placed = await kubectl.until(["get", "pods", "-l", "app=apart", ...nodeOf], (out) => lines(out).length === nodes.length);
  expect(lines(placed).sort()).toEqual([...nodes].sort());
});

test("AT-19 topology spread puts three pods on two agents as two and one", async ({ kubectl }) => {
  await admin("taint", "nodes", server, "control-plane=true:NoSchedule");
  await kubectl.apply(
    hueReminders(
      3,
      `
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        nodeTaintsPolicy: Honor
        whenUnsatisfiable: DoNotSchedule
        labelSelector:
          matchLabels:
            service: reminders`,
    ),
  );
  await kubectl("rollout", "status", "deployment/hue-reminders", "--timeout=60s");
  const counts = new Map<string, number>();
  for (const node of lines(await kubectl("get", "po", "-l", "app=hue,service=reminders", ...nodeOf)))
    counts.set(node, (counts.get(node) ?? 0) + 1);
  expect([...counts.keys()].sort()).toEqual([...agents].sort());
  expect([...counts.values()].sort()).toEqual([1, 2]);
});

test("AT-38 what completed pods asked for is free again; what running ones ask for is not", async ({ kubectl }) => {
  const capacity = Number(await admin("get", "node", server, "-o", "jsonpath={.status.allocatable.cpu}"));
  const pod = (name: string, script: string): object =>
    shellPod(name, script, {
      container: { resources: { requests: { cpu: `${Math.floor(capacity * 600)}m` } } },
      spec: { restartPolicy: "Never", nodeSelector: { "kubernetes.io/hostname": server } },
    });
  await kubectl.apply(pod("first", "exit 0"));
  await kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/first", "--timeout=60s");
  await kubectl.apply(pod("second", forever));
  await kubectl("wait", "--for=condition=Ready", "pod/second", "--timeout=60s");
  await kubectl.apply(pod("third", forever));
  await unbound(kubectl, "third", "Insufficient cpu");
});

test("S4-1D replicas are spread over the nodes", async ({ kubectl }) => {
  await kubectl.apply(shellDeployment("spread", nodes.length, forever));
  await kubectl("rollout", "status", "deployment/spread", "--timeout=60s");
  expect(lines(await kubectl("get", "pods", ...nodeOf)).sort()).toEqual([...nodes].sort());
});

function preferNode(name: string): object {
  const preference = { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [name] }] };
  return { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference }] } };
}
