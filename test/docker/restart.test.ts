import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort, type HueProcess, nodeReady, startHue } from "../support/hue.ts";
import type { Kubectl } from "../support/kubectl.ts";
import { docker, fetchText, nodeAddress } from "../support/machine.ts";
import { forever, httpServer, service, shell, shellPod } from "../support/manifests.ts";
import { sharedCluster } from "../support/shared-cluster.ts";

// A cluster of its own, for it is killed; its ranges lie beside those of the shared one.
const second = (shared: string, add: number): string => `10.${Number(shared.split(".")[1]) + add}`;
const { podRange, serviceRange } = sharedCluster();
const [pods, services] = [second(podRange, 2), second(serviceRange, 2)];

const node = `r-${process.pid}`;
let hue: HueProcess;
beforeAll(async () => {
  const ports = ["--ingress-http-port", String(await freePort()), "--ingress-https-port", String(await freePort())];
  const network = ["--cluster-cidr", `${pods}.0.0/16`, "--service-cidr", `${services}.0.0/16`, "--cluster-dns", `${services}.0.10`];
  hue = await startHue(["--node-name", node, ...network, ...ports]);
  await nodeReady(hue.kubectl, node);
  await hue.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=20s");
  const init = { initContainers: [shell("first", "true")], volumes: [{ name: "v", emptyDir: {} }] };
  const mounts = { volumeMounts: [{ name: "v", mountPath: "/v" }] };
  await hue.kubectl.apply([
    shellPod("web", httpServer(8000, "still here"), {
      spec: init,
      container: { ...mounts, livenessProbe: { tcpSocket: { port: 8000 }, periodSeconds: 1, failureThreshold: 5 } },
    }),
    service("web", 80, 8000, { type: "NodePort", selector: { app: "web" } }),
    shellPod("caller", forever),
  ]);
  await hue.kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s");
});
afterAll(async () => {
  await hue?.stop();
  await hue?.cleanup();
});

const identity = (kubectl: Kubectl): Promise<string> =>
  kubectl(
    "get",
    "pods",
    "-o",
    "jsonpath={range .items[*]}{.metadata.uid} {.status.podIP} {.status.containerStatuses[*].containerID} {.status.containerStatuses[*].restartCount} {.status.containerStatuses[*].state.running.startedAt}{'\\n'}{end}",
  );

test("S4-1D after kill -9 and a new start the same containers run, none restarted, and work goes on", async () => {
  const before = await identity(hue.kubectl);
  await hue.kubectl("exec", "web", "--", "sh", "-c", "echo kept > /v/kept");
  await hue.kill();
  const begin = Date.now();
  hue = await hue.restart();
  await nodeReady(hue.kubectl, node);
  expect(Date.now() - begin).toBeLessThan(20_000);
  await hue.kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=30s");
  await hue.kubectl.until(
    ["exec", "caller", "--", "timeout", "5", "wget", "-q", "-O", "-", "http://web"],
    (out) => out === "still here\n",
    20,
  );
  expect(await hue.kubectl("exec", "web", "--", "cat", "/v/kept")).toBe("kept\n");
  // A container that the new process starts shows that it manages the node.
  await hue.kubectl.apply(shellPod("after", forever));
  await hue.kubectl("wait", "--for=condition=Ready", "pod/after", "--timeout=60s");
  await hue.kubectl("delete", "pod", "after");
  expect(await identity(hue.kubectl)).toBe(before);
});

test("S4-1D while the control plane is down, the app answers by its Service; when it is back, no pod has restarted", async () => {
  const before = await identity(hue.kubectl);
  const nodePort = await hue.kubectl("get", "service", "web", "-o", "jsonpath={.spec.ports[0].nodePort}");
  const clusterIP = await hue.kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}");
  const answers = async (): Promise<void> => {
    for (const url of [`http://${nodeAddress}:${nodePort}/`, `http://${clusterIP}/`])
      expect(await fetchText(url)).toEqual({ status: 200, text: "still here\n" });
  };
  await answers();
  await hue.stop();
  await answers();
  expect((await hue.kubectl.run(["get", "pods"])).code).toBe(1);
  hue = await hue.restart();
  await hue.kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=30s");
  await answers();
  expect(await identity(hue.kubectl)).toBe(before);
});

test("a container that ended while hue was down is noticed, and restarted", async () => {
  const id = (await hue.kubectl("get", "pod", "caller", "-o", "jsonpath={.status.containerStatuses[0].containerID}")).replace(
    "docker://",
    "",
  );
  await hue.kill();
  await docker("kill", id);
  hue = await hue.restart();
  await hue.kubectl.until(
    ["get", "pod", "caller", "-o", "jsonpath={.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}"],
    (out) => out === "1 true",
    40,
  );
  expect(await hue.kubectl("get", "pod", "caller", "-o", "jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}")).toBe(
    "137",
  );
});
