import { expect } from "vitest";
import { containersOfPod, docker, nodeAddress } from "../support/machine.ts";
import { base, forever, httpServer, shell, shellPod } from "../support/manifests.ts";
import { sharedCluster, test } from "../support/shared-cluster.ts";

const sh = (pod: string, container: string, script: string): string[] => ["exec", pod, "-c", container, "--", "sh", "-c", script];

test("S4-1A the containers of a pod have one network and address, but files and processes of their own", async ({ kubectl }) => {
  const two = (name: string, more: object): object =>
    shellPod(name, "", {
      spec: {
        containers: [shell("web", `echo mine > /own; ${httpServer(8000, "from web")}`), shell("other", `hostname -i > /own; ${forever}`)],
        ...more,
      },
    });
  await kubectl.apply([two("apart", {}), two("together", { shareProcessNamespace: true })]);
  await kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s");
  const address = await kubectl("get", "pod", "apart", "-o", "jsonpath={.status.podIP}");
  expect(await kubectl(...sh("apart", "other", "wget -q -O - http://127.0.0.1:8000"))).toBe("from web\n");
  for (const container of ["web", "other"])
    expect(await kubectl(...sh("apart", container, "hostname -i; hostname"))).toBe(`${address}\napart\n`);
  expect(await kubectl(...sh("apart", "web", "cat /own"))).toBe("mine\n");
  expect(await kubectl(...sh("apart", "other", "cat /own"))).toBe(`${address}\n`);
  const taken = await kubectl.run(sh("apart", "other", "httpd -f -p 8000 -h /"));
  expect(taken.stderr).toContain("Address already in use");
  expect(await kubectl(...sh("apart", "other", "ps"))).not.toContain("httpd");
  expect(await kubectl(...sh("apart", "other", "echo 1 > /dev/shm/x && ls /dev/shm"))).toBe("x\n");
  expect(await kubectl(...sh("together", "other", "ps"))).toContain("httpd");
});

test("S4-1A a sandbox container holds the pod's network: it outlives a restarted container, and the address stays", async ({ kubectl }) => {
  await kubectl.apply(shellPod("steady", `trap 'exit 1' TERM; ${forever} & wait`));
  await kubectl("wait", "--for=condition=Ready", "pod/steady", "--timeout=60s");
  const field = (path: string): Promise<string> => kubectl("get", "pod", "steady", "-o", `jsonpath={${path}}`);
  const [uid, address, container] = [
    await field(".metadata.uid"),
    await field(".status.podIP"),
    await field(".status.containerStatuses[0].containerID"),
  ];
  const all = await containersOfPod(uid);
  expect(all).toHaveLength(2);
  const sandbox = all.find((id) => `docker://${id}` !== container) ?? "";
  await docker("kill", container.replace("docker://", ""));
  await kubectl.until(
    ["get", "pod", "steady", "-o", "jsonpath={.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}"],
    (out) => out === "1 true",
    30,
  );
  expect(await field(".status.podIP")).toBe(address);
  expect((await docker("inspect", "-f", "{{.State.Running}}", sandbox)).trim()).toBe("true");
});

test("command replaces the image's, args follow it, env refers to env, and the pod's own fields come by the downward API", async ({
  kubectl,
}) => {
  const fieldRef = (fieldPath: string): object => ({ fieldRef: { fieldPath } });
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "told", labels: { app: "told" } },
    spec: {
      restartPolicy: "Never",
      containers: [
        {
          name: "main",
          image: base,
          imagePullPolicy: "IfNotPresent",
          command: ["sh", "-c"],
          args: [
            "echo $GREETING; echo $NAME $NAMESPACE $NODE $CPU; cat /etc/told/labels; echo; cat /etc/told/settings/color /etc/told/settings/password",
            "ignored",
          ],
          env: [
            { name: "WHO", value: "gigi" },
            { name: "GREETING", value: "hello $(WHO), $$(WHO), $(NOBODY)" },
            { name: "NAME", valueFrom: fieldRef("metadata.name") },
            { name: "NAMESPACE", valueFrom: fieldRef("metadata.namespace") },
            { name: "NODE", valueFrom: fieldRef("spec.nodeName") },
            { name: "CPU", valueFrom: { resourceFieldRef: { resource: "limits.cpu", divisor: "1m" } } },
          ],
          resources: { limits: { cpu: "150m", memory: "32Mi" } },
          volumeMounts: [{ name: "told", mountPath: "/etc/told" }],
        },
      ],
      volumes: [
        {
          name: "told",
          projected: {
            sources: [
              { downwardAPI: { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }] } },
              { configMap: { name: "settings", items: [{ key: "color", path: "settings/color" }] } },
              { secret: { name: "settings", items: [{ key: "password", path: "settings/password" }] } },
            ],
          },
        },
      ],
    },
  };
  await kubectl("create", "configmap", "settings", "--from-literal=color=blue ");
  await kubectl("create", "secret", "generic", "settings", "--from-literal=password=secret");
  await kubectl.apply(pod);
  await kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/told", "--timeout=60s");
  const node = await kubectl("get", "pod", "told", "-o", "jsonpath={.spec.nodeName}");
  expect(await kubectl("logs", "told")).toBe(
    `hello gigi, $(WHO), $(NOBODY)\ntold ${kubectl.namespace} ${node} 150\napp="told"\nblue secret`,
  );
});

test("limits hold: what takes too much memory is OOMKilled, and quality of service follows requests and limits", async ({ kubectl }) => {
  const limits = { cpu: "100m", memory: "16Mi" };
  await kubectl.apply([
    shellPod("greedy", "tail /dev/zero", { container: { resources: { limits } }, spec: { restartPolicy: "Never" } }),
    shellPod("modest", forever, { container: { resources: { requests: { cpu: "200m", memory: "256Mi" } } } }),
    shellPod("free", forever),
  ]);
  await kubectl.until(["get", "pod", "greedy", "--no-headers"], (out) => out.includes("OOMKilled"), 60);
  expect(await kubectl("get", "pods", "-o", "jsonpath={range .items[*]}{.metadata.name}={.status.qosClass} {end}")).toBe(
    "free=BestEffort greedy=Guaranteed modest=Burstable ",
  );
});

test("AT-35 host namespaces: the pod has its node's address and sees its processes", async ({ kubectl }) => {
  const { server } = sharedCluster();
  await kubectl.apply(shellPod("host", forever, { spec: { nodeName: server, hostNetwork: true, hostPID: true, hostIPC: true } }));
  await kubectl("wait", "--for=condition=Ready", "pod/host", "--timeout=60s");
  expect(await kubectl("get", "pod", "host", "-o", "jsonpath={.status.podIP}")).toBe(nodeAddress);
  expect(await kubectl("exec", "host", "--", "ps")).toContain("dockerd");
  expect(await kubectl("exec", "host", "--", "ip", "address")).toContain(nodeAddress);
});

test("a pod that is deleted gets SIGTERM and its preStop hook, ends within its grace period, and its containers and volumes go", async ({
  kubectl,
}) => {
  const hooks = {
    lifecycle: {
      postStart: { exec: { command: ["sh", "-c", "echo started >> /said/log"] } },
      preStop: { exec: { command: ["sh", "-c", "echo stopping >> /said/log"] } },
    },
  };
  const volumeMounts = [{ name: "said", mountPath: "/said" }];
  await kubectl.apply([
    shellPod("polite", `trap 'echo term >> /said/log; exit 0' TERM; sleep 86400 & wait`, {
      container: { ...hooks, volumeMounts },
      spec: {
        terminationGracePeriodSeconds: 30,
        volumes: [{ name: "said", hostPath: { path: `/tmp/hue-test-${kubectl.namespace}`, type: "DirectoryOrCreate" } }],
      },
    }),
  ]);
  await kubectl("wait", "--for=condition=Ready", "pod/polite", "--timeout=60s");
  const uid = await kubectl("get", "pod", "polite", "-o", "jsonpath={.metadata.uid}");
  const begin = Date.now();
  await kubectl("delete", "pod", "polite");
  expect(Date.now() - begin).toBeLessThan(20_000);
  await expect.poll(() => containersOfPod(uid), { timeout: 10_000 }).toEqual([]);
  const path = `/tmp/hue-test-${kubectl.namespace}`;
  expect(await docker("run", "--rm", "-v", `${path}:/said`, base, "sh", "-c", "cat /said/log; rm /said/log")).toBe(
    "started\nstopping\nterm\n",
  );
  await docker("run", "--rm", "-v", "/tmp:/host", base, "rmdir", `/host/hue-test-${kubectl.namespace}`);
});

test("a container's last words are what it wrote into its termination log, or the end of its output when it failed and its spec says so", async ({
  kubectl,
}) => {
  const says = (name: string, script: string, more: object = {}): object => shell(name, script, more);
  await kubectl.apply(
    shellPod("last", "", {
      spec: {
        restartPolicy: "Never",
        containers: [
          says("log", "echo out; printf 'by log' > /dev/termination-log; exit 3"),
          says("path", "printf 'by path' > /tmp/end", { terminationMessagePath: "/tmp/end" }),
          says("output", "echo by output; exit 1", { terminationMessagePolicy: "FallbackToLogsOnError" }),
          says("fine", "echo all is well", { terminationMessagePolicy: "FallbackToLogsOnError" }),
          says("silent", "echo out; exit 1"),
        ],
      },
    }),
  );
  await kubectl("wait", "--for=jsonpath={.status.phase}=Failed", "pod/last", "--timeout=60s");
  const messages = "{range .status.containerStatuses[*]}{.name}={.state.terminated.message};{end}";
  expect(await kubectl("get", "pod", "last", "-o", `jsonpath=${messages}`)).toBe(
    "fine=;log=by log;output=by output\n;path=by path;silent=;",
  );
  expect(await kubectl("describe", "pod", "last")).toMatch(/Exit Code: +3/);
});

test("a container whose postStart hook fails is ended and begun anew", async ({ kubectl }) => {
  const postStart = { exec: { command: ["sh", "-c", "echo no; exit 1"] } };
  await kubectl.apply(shellPod("hooked", forever, { container: { lifecycle: { postStart } } }));
  await kubectl.until(["get", "events", "--field-selector=reason=FailedPostStartHook"], (out) => out.includes("PostStartHook failed"), 30);
  const restarts = ["get", "pod", "hooked", "-o", "jsonpath={.status.containerStatuses[0].restartCount}"];
  await kubectl.until(restarts, (out) => Number(out) > 0, 40);
  expect(await kubectl("get", "pod", "hooked", "-o", "jsonpath={.status.containerStatuses[0].ready}")).toBe("false");
});

test("S4-1A S4-106 a container's log does not grow without end", async ({ kubectl }) => {
  await kubectl.apply(shellPod("chatty", forever));
  await kubectl("wait", "--for=condition=Ready", "pod/chatty", "--timeout=60s");
  const id = (await kubectl("get", "pod", "chatty", "-o", "jsonpath={.status.containerStatuses[0].containerID}")).replace("docker://", "");
  const log = JSON.parse(await docker("inspect", "-f", "{{json .HostConfig.LogConfig}}", id));
  expect(log.Config["max-size"], "the engine rotates the log at a size").toMatch(/^\d+[kmg]?$/);
  expect(Number(log.Config["max-file"])).toBeGreaterThan(1);
});
