import { afterAll, beforeAll, describe, expect, test as plain } from "vitest";
import { hueLearn, hueReminders } from "../support/book.ts";
import { startHue } from "../support/hue.ts";
import type { Kubectl } from "../support/kubectl.ts";
import { base, forever, service, shell, shellDeployment, shellPod } from "../support/manifests.ts";
import { newNamespace, removeNamespace, test } from "../support/shared-cluster.ts";

const image = "{range .items[*]}{.spec.containers[0].image}{'\\n'}{end}";
const names = ["get", "pods", "-o", "jsonpath={range .items[*]}{.metadata.name}{'\\n'}{end}"];
const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

describe("a Deployment of three", () => {
  let kubectl: Kubectl;
  beforeAll(async () => {
    kubectl = await newNamespace();
  });
  afterAll(() => removeNamespace(kubectl));

  plain("AT-04 comes up, is listed 3/3 and described with strategy, conditions, ReplicaSet and event", async () => {
    expect(await kubectl.create(hueLearn("0.3"))).toBe("deployment.apps/hue-learn created\n");
    await kubectl("rollout", "status", "deployment/hue-learn", "--timeout=60s");
    const [head, row] = lines(await kubectl("get", "deployment", "hue-learn"));
    expect(head?.split(/\s+/)).toEqual(["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]);
    expect(row).toMatch(/^hue-learn\s+3\/3\s+3\s+3\s+\d+s$/);
    const pods = lines(await kubectl("get", "pods", "-l", "app=hue"));
    expect(pods[0]?.split(/\s+/)).toEqual(["NAME", "READY", "STATUS", "RESTARTS", "AGE"]);
    expect(
      pods.slice(1).filter((p) => /^hue-learn-[0-9a-z]{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}\s+1\/1\s+Running\s+0\s/.test(p)),
    ).toHaveLength(3);
    const hash = /^hue-learn-([0-9a-z]+)-/.exec(pods[1] ?? "")?.[1];
    const described = await kubectl("describe", "deployment", "hue-learn");
    for (const part of [
      /^Name:\s+hue-learn$/m,
      /^Annotations:\s+deployment.kubernetes.io\/revision: 1$/m,
      /^Selector:\s+app=hue$/m,
      /^Replicas:\s+3 desired \| 3 updated \| 3 total \| 3 available \| 0 unavailable$/m,
      /^StrategyType:\s+RollingUpdate$/m,
      /^MinReadySeconds:\s+0$/m,
      /^RollingUpdateStrategy:\s+25% max unavailable, 25% max surge$/m,
      /Image:\s+g1g1\/hue-learn:0.3$/m,
      /cpu:\s+200m$/m,
      /memory:\s+256Mi$/m,
      /DISCOVER_QUEUE:\s+dns$/m,
      /^\s+Available\s+True\s+MinimumReplicasAvailable$/m,
      /^\s+Progressing\s+True\s+NewReplicaSetAvailable$/m,
      /^OldReplicaSets:\s+<none>$/m,
      new RegExp(`^NewReplicaSet:\\s+hue-learn-${hash} \\(3/3 replicas created\\)$`, "m"),
      new RegExp(`Normal\\s+ScalingReplicaSet\\s.*deployment-controller\\s+Scaled up replica set hue-learn-${hash} from 0 to 3$`, "m"),
    ])
      expect(described).toMatch(part);
  });

  plain("AT-05 rolls to a new image with never fewer than three available, and keeps the old ReplicaSet at none", async () => {
    const watch = kubectl.start(
      "get",
      "deployment",
      "hue-learn",
      "--watch",
      "-o",
      "jsonpath={.status.availableReplicas}/{.status.replicas}{'\\n'}",
    );
    let seen = "";
    watch.stdout.on("data", (data) => (seen += data));
    try {
      await expect.poll(() => seen).toContain("3/3");
      const applied = await kubectl.run(["apply", "-f", "-"], hueLearn("0.4"));
      expect(applied.stdout).toBe("deployment.apps/hue-learn configured\n");
      expect(applied.stderr).toBe(
        "Warning: resource deployments/hue-learn is missing the kubectl.kubernetes.io/last-applied-configuration annotation which is required by kubectl apply. " +
          "kubectl apply should only be used on resources created declaratively by either kubectl create --save-config or kubectl apply. " +
          "The missing annotation will be patched automatically.\n",
      );
      await kubectl("rollout", "status", "deployment/hue-learn", "--timeout=90s");
    } finally {
      watch.kill();
    }
    const steps = lines(seen).map((line) => line.split("/").map(Number));
    expect(steps.filter(([available = 0, total = 0]) => available < 3 || total > 4)).toEqual([]);
    expect(steps.some(([, total = 0]) => total === 4)).toBe(true);
    const images = ["get", "pods", "-l", "app=hue", "--field-selector=status.phase=Running", "-o", `jsonpath=${image}`];
    await kubectl.until(images, (out) => lines(out).join() === Array(3).fill("g1g1/hue-learn:0.4").join());
    const sets = lines(await kubectl("get", "rs", "-l", "app=hue", "--no-headers")).map((line) => line.split(/\s+/).slice(1, 4).join("/"));
    expect(sets.sort()).toEqual(["0/0/0", "3/3/3"]);
  });

  plain("AT-36 its rollout has a history, goes back, pauses, resumes and restarts", async () => {
    expect(
      lines(await kubectl("rollout", "history", "deployment/hue-learn"))
        .slice(2)
        .map((l) => l.trim().split(/\s+/)[0]),
    ).toEqual(["1", "2"]);
    expect(await kubectl("rollout", "undo", "deployment/hue-learn")).toBe("deployment.apps/hue-learn rolled back\n");
    await kubectl("rollout", "status", "deployment/hue-learn", "--timeout=90s");
    const current = ["get", "deployment", "hue-learn", "-o", "jsonpath={.spec.template.spec.containers[0].image}"];
    expect(await kubectl(...current)).toBe("g1g1/hue-learn:0.3");
    await kubectl("rollout", "pause", "deployment/hue-learn");
    await kubectl("set", "image", "deployment/hue-learn", "hue-learn=g1g1/hue-learn:0.4");
    await kubectl.until(["get", "deployment", "hue-learn", "-o", "jsonpath={.status.observedGeneration}={.metadata.generation}"], (out) => {
      const [observed, generation] = out.split("=");
      return observed === generation;
    });
    expect(await kubectl("get", "deployment", "hue-learn", "-o", "jsonpath={.status.updatedReplicas}")).toBe("");
    await kubectl("rollout", "resume", "deployment/hue-learn");
    await kubectl("rollout", "status", "deployment/hue-learn", "--timeout=90s");
    expect(await kubectl(...current)).toBe("g1g1/hue-learn:0.4");
  });

  plain("AT-06 refuses other labels in its template, and another selector", async () => {
    const labels = await kubectl.run([
      "patch",
      "deployment",
      "hue-learn",
      "--type=json",
      "-p",
      '[{"op":"replace","path":"/spec/template/metadata/labels/app","value":"other"}]',
    ]);
    expect(labels.code).toBe(1);
    expect(labels.stderr).toContain('The Deployment "hue-learn" is invalid: spec.template.metadata.labels: Invalid value: {"app":"other"');
    expect(labels.stderr).toContain("`selector` does not match template `labels`");
    const both = '{"spec":{"selector":{"matchLabels":{"app":"other"}},"template":{"metadata":{"labels":{"app":"other"}}}}}';
    const selector = await kubectl.run(["patch", "deployment", "hue-learn", "-p", both]);
    expect(selector.code).toBe(1);
    expect(selector.stderr).toMatch(/spec\.selector: Invalid value: .*field is immutable/);
  });

  plain("AT-07 lives beside another whose pods its own selector matches: neither takes the other's", async () => {
    await kubectl.apply(hueReminders(2));
    await kubectl("rollout", "status", "deployment/hue-reminders", "--timeout=60s");
    const running = ["get", "pods", "-l", "app=hue", "--field-selector=status.phase=Running", "--no-headers"];
    const both = lines(await kubectl.until(running, (out) => lines(out).length === 5));
    expect(both.filter((p) => p.startsWith("hue-learn-"))).toHaveLength(3);
    expect(both.filter((p) => p.startsWith("hue-reminders-"))).toHaveLength(2);
    await kubectl("scale", "deployment/hue-learn", "--replicas=1");
    await kubectl.until(["get", "pods", "-l", "app=hue", "--no-headers"], (out) => lines(out).length === 3);
    expect(lines(await kubectl("get", "pods", "-l", "app=hue,service=reminders", "--no-headers"))).toHaveLength(2);
  });
});

test("AT-37 a pod of a Deployment that is deleted is replaced, a bare pod is not", async ({ kubectl }) => {
  await kubectl.apply([shellDeployment("kept", 1, forever), shellPod("bare", forever)]);
  await kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s");
  const before = lines(await kubectl(...names, "-l", "app=kept"))[0] ?? "";
  expect(await kubectl("delete", "pod", before, "bare")).toContain(`pod "${before}" deleted`);
  await kubectl("rollout", "status", "deployment/kept", "--timeout=60s");
  const after = lines(await kubectl(...names));
  expect(after).toHaveLength(1);
  expect(after[0]).toMatch(/^kept-/);
  expect(after[0]).not.toBe(before);
});

test("AT-37 a container that crashes is restarted in place, by its pod's restartPolicy", async ({ kubectl }) => {
  const crash = (code: number): string => `[ -e /data/ran ] && ${forever}; touch /data/ran; exit ${code}`;
  const once = (name: string, restartPolicy: string, code: number): object =>
    shellPod(name, crash(code), {
      spec: { restartPolicy, volumes: [{ name: "data", emptyDir: {} }] },
      container: { volumeMounts: [{ name: "data", mountPath: "/data" }] },
    });
  await kubectl.apply([
    once("always", "Always", 0),
    once("onfailure", "OnFailure", 3),
    once("fine", "OnFailure", 0),
    once("never", "Never", 3),
  ]);
  const state = (name: string): string[] => ["get", "pod", name, "--no-headers"];
  await kubectl.until(state("always"), (out) => /^always\s+1\/1\s+Running\s+1 \(/.test(out), 30);
  await kubectl.until(state("onfailure"), (out) => /^onfailure\s+1\/1\s+Running\s+1 \(/.test(out), 30);
  expect(await kubectl(...state("fine"))).toMatch(/^fine\s+0\/1\s+Completed\s+0\s/);
  expect(await kubectl(...state("never"))).toMatch(/^never\s+0\/1\s+Error\s+0\s/);
  expect(await kubectl("get", "pod", "onfailure", "-o", "jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}")).toBe("3");
});

test("a container that never stays up is CrashLoopBackOff", async ({ kubectl }) => {
  await kubectl.apply(shellPod("loop", "exit 1"));
  await kubectl.until(["get", "pod", "loop", "--no-headers"], (out) => out.includes("CrashLoopBackOff"), 40);
  await kubectl.until(["get", "events", "--field-selector=reason=BackOff"], (out) =>
    out.includes("Back-off restarting failed container main in pod loop_"),
  );
});

plain("AT-39 the same template gives the same pod-template-hash on another cluster", async () => {
  const other = await startHue(["--runtime=simulated", "--node-name", "acc-hash"]);
  const here = await newNamespace();
  try {
    const hash = async (kubectl: Kubectl): Promise<string> => {
      await kubectl.apply(hueReminders(0));
      return kubectl.until(["get", "rs", "-o", "jsonpath={.items[*].metadata.labels.pod-template-hash}"], (out) => out !== "");
    };
    const [first, second] = [await hash(here), await hash(other.kubectl)];
    expect(first).toMatch(/^[0-9a-z]{8,10}$/);
    expect(second).toBe(first);
  } finally {
    await removeNamespace(here);
    await other.stop();
    await other.cleanup();
  }
});

test("S4-1A a StatefulSet's pods have ordinal names and DNS names, start in order and keep their volumes", async ({ kubectl }) => {
  const script = "[ -e /data/name ] || hostname > /data/name; sleep 0.5; touch /tmp/ready; sleep 86400";
  const claims = [{ metadata: { name: "data" }, spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "8Mi" } } } }];
  const ready = { exec: { command: ["test", "-e", "/tmp/ready"] }, periodSeconds: 1 };
  const container = shell("main", script, { volumeMounts: [{ name: "data", mountPath: "/data" }], readinessProbe: ready });
  await kubectl.apply([
    service("db", 80, 80, { clusterIP: "None" }),
    {
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { name: "db" },
      spec: {
        serviceName: "db",
        replicas: 3,
        selector: { matchLabels: { app: "db" } },
        template: { metadata: { labels: { app: "db" } }, spec: { terminationGracePeriodSeconds: 1, containers: [container] } },
        volumeClaimTemplates: claims,
      },
    },
  ]);
  await kubectl("rollout", "status", "statefulset/db", "--timeout=90s");
  const pods = await kubectl.json<{
    items: {
      metadata: { name: string; creationTimestamp: string };
      status: { conditions: { type: string; lastTransitionTime: string }[] };
    }[];
  }>("get", "pods");
  expect(pods.items.map((p) => p.metadata.name)).toEqual(["db-0", "db-1", "db-2"]);
  for (const [i, pod] of pods.items.entries()) {
    const readyAt = pods.items[i - 1]?.status.conditions.find((c) => c.type === "Ready")?.lastTransitionTime ?? "";
    expect(pod.metadata.creationTimestamp >= readyAt, `${pod.metadata.name} waits for the one before it`).toBe(true);
  }
  expect(lines(await kubectl("get", "pvc", "--no-headers")).map((l) => l.split(/\s+/).slice(0, 2).join(" "))).toEqual([
    "data-db-0 Bound",
    "data-db-1 Bound",
    "data-db-2 Bound",
  ]);
  expect(await kubectl("exec", "db-0", "--", "nslookup", `db-2.db.${kubectl.namespace}.svc.cluster.local`)).toContain(
    await kubectl("get", "pod", "db-2", "-o", "jsonpath={.status.podIP}"),
  );
  await kubectl("exec", "db-1", "--", "sh", "-c", "echo kept >> /data/name");
  await kubectl("delete", "pod", "db-1");
  await kubectl.until(["exec", "db-1", "--", "cat", "/data/name"], (out) => out === "db-1\nkept\n", 60);
  await kubectl("scale", "statefulset/db", "--replicas=1");
  await kubectl.until(names, (out) => out === "db-0\n");
  expect(lines(await kubectl("get", "pvc", "--no-headers"))).toHaveLength(3);
});

test("S4-1A an image can be named by its digest, by no tag, and one that is nowhere says so", async ({ kubectl }) => {
  await kubectl.apply([
    shellPod("untagged", forever, { container: { imagePullPolicy: "Always" } }),
    shellPod("nowhere", forever, { container: { image: "127.0.0.1:1/no/such:1" } }),
  ]);
  await kubectl("wait", "--for=condition=Ready", "pod/untagged", "--timeout=30s");
  const status =
    "jsonpath={.status.containerStatuses[0].image} {.status.containerStatuses[0].imageID} {.status.containerStatuses[0].containerID}";
  const [name = "", id = "", container = ""] = (await kubectl("get", "pod", "untagged", "-o", status)).split(" ");
  expect(name).toMatch(new RegExp(`${base}(:latest)?$`));
  expect(container).toMatch(/^docker:\/\/[0-9a-f]{64}$/);
  const digest = /sha256:[0-9a-f]{64}$/.exec(id)?.[0] ?? "";
  await kubectl.apply(shellPod("digest", forever, { container: { image: digest } }));
  await kubectl("wait", "--for=condition=Ready", "pod/digest", "--timeout=30s");
  await kubectl.until(["get", "pod", "nowhere", "--no-headers"], (out) => /ErrImagePull|ImagePullBackOff/.test(out), 40);
  await kubectl.until(["get", "events", "--field-selector=involvedObject.name=nowhere"], (out) =>
    out.includes('Failed to pull image "127.0.0.1:1/no/such:1"'),
  );
});
