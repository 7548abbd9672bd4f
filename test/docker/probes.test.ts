import { once } from "node:events";
import { createServer } from "node:http2";
import { describe } from "vitest";
import type { Kubectl } from "../support/kubectl.ts";
import { nodeAddress } from "../support/machine.ts";
import { forever, httpServer, service, shell, shellPod } from "../support/manifests.ts";
import { test } from "../support/shared-cluster.ts";

const restarts = (pod: string): string[] => ["get", "pod", pod, "-o", "jsonpath={.status.containerStatuses[0].restartCount}"];
const restarted = (kubectl: Kubectl, pod: string): Promise<string> => kubectl.until(restarts(pod), (out) => Number(out) > 0, 40);
const quick = { periodSeconds: 1, failureThreshold: 1 };

/** A web server that answers every request with this status line, and keeps the requests in /tmp/log. */
const answers = (status: string): string => `cat > /tmp/answer <<'END'
#!/bin/sh
while read -r line; do
  line=$(echo "$line" | tr -d '\\r')
  [ -n "$line" ] || break
  echo "$line" >> /tmp/log
done
printf 'HTTP/1.1 ${status}\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n'
END
chmod +x /tmp/answer; exec nc -ll -p 8888 -e /tmp/answer`;

// What takes time here is the probes' periods, not the machine.
describe.concurrent("probes", () => {
  test("AT-30 a failing liveness probe over HTTP restarts its container, a passing one does not", async ({ kubectl, expect }) => {
    const probe = { livenessProbe: { httpGet: { path: "/pulse", port: 8888 }, periodSeconds: 1, failureThreshold: 3 } };
    const music = (name: string): object => shellPod(name, "echo alive > /www/pulse; exec httpd -f -p 8888 -h /www", { container: probe });
    await kubectl.apply([music("dying"), music("living")]);
    await kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s");
    await kubectl("exec", "dying", "--", "rm", "/www/pulse");
    await restarted(kubectl, "dying");
    // The new container has the file again.
    await kubectl("wait", "--for=condition=Ready", "pod/dying", "--timeout=30s");
    await kubectl.until(
      ["get", "events", "--field-selector=involvedObject.name=dying"],
      (out) =>
        /Unhealthy.*Liveness probe failed: HTTP probe failed with statuscode: 404/.test(out) &&
        /Killing.*Container main failed liveness probe, will be restarted/.test(out),
      20,
    );
    expect(await kubectl(...restarts("living"))).toBe("0");
  });

  test("AT-30 the probe sends its headers; 399 counts as success, 400 as failure", async ({ kubectl, expect }) => {
    const httpHeaders = [{ name: "X-Custom-Header", value: "ItsAlive" }];
    const probe = {
      livenessProbe: { httpGet: { path: "/pulse", port: 8888, httpHeaders }, initialDelaySeconds: 1, timeoutSeconds: 1, ...quick },
    };
    await kubectl.apply([
      shellPod("fine", answers("399 Fine"), { container: probe }),
      shellPod("bad", answers("400 Bad"), { container: probe }),
    ]);
    await restarted(kubectl, "bad");
    const log = await kubectl.until(["exec", "fine", "--", "cat", "/tmp/log"], (out) => out.split("GET /pulse").length > 3);
    expect(log).toContain("X-Custom-Header: ItsAlive");
    expect(log).toMatch(/User-Agent: kube-probe\/1\.36/);
    expect(await kubectl(...restarts("fine"))).toBe("0");
  });

  test("AT-30 liveness by TCP and by a command; restartPolicy Never lets the failed container end", async ({ kubectl }) => {
    await kubectl.apply([
      shellPod("tcp", `httpd -f -p 9000 -h /www & sleep 2; kill $!; ${forever}`, {
        container: { livenessProbe: { tcpSocket: { port: 9000 }, initialDelaySeconds: 1, ...quick } },
      }),
      shellPod("exec", `touch /tmp/ok; sleep 3; rm /tmp/ok; ${forever}`, {
        container: { livenessProbe: { exec: { command: ["cat", "/tmp/ok"] }, initialDelaySeconds: 1, ...quick } },
      }),
      shellPod("never", forever, {
        container: { livenessProbe: { exec: { command: ["false"] }, ...quick } },
        spec: { restartPolicy: "Never" },
      }),
    ]);
    await restarted(kubectl, "tcp");
    await restarted(kubectl, "exec");
    await kubectl.until(
      [
        "get",
        "pod",
        "never",
        "-o",
        "jsonpath={.status.phase} {.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].state.terminated.exitCode}",
      ],
      (out) => out === "Failed 0 137",
      40,
    );
  });

  test("AT-30 a gRPC probe asks the health service: SERVING is success, NOT_SERVING and no answer are failures", async ({
    kubectl,
    expect,
  }) => {
    let status = 1;
    const asked: string[] = [];
    const health = createServer();
    health.on("stream", (stream, headers) => {
      asked.push(String(headers[":path"]));
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      // One uncompressed message of two bytes: HealthCheckResponse{status}.
      stream.end(Buffer.from([0, 0, 0, 0, 2, 8, status]));
    });
    health.listen(0, nodeAddress);
    await once(health, "listening");
    try {
      const address = health.address();
      const port = typeof address === "object" && address ? address.port : 0;
      const grpc = (name: string, to: number, hostNetwork: boolean): object =>
        shellPod(name, forever, { spec: { hostNetwork }, container: { livenessProbe: { grpc: { port: to }, ...quick } } });
      await kubectl.apply([grpc("asked", port, true), grpc("silent", 5000, false)]);
      await restarted(kubectl, "silent");
      await kubectl.until(
        ["get", "events", "--field-selector=reason=Unhealthy"],
        (out) => /pod\/silent\s+Liveness probe failed: .*(connect|rpc)/.test(out),
        20,
      );
      await expect.poll(() => asked.length, { timeout: 20_000 }).toBeGreaterThan(2);
      expect(new Set(asked)).toEqual(new Set(["/grpc.health.v1.Health/Check"]));
      expect(await kubectl(...restarts("asked"))).toBe("0");
      status = 2;
      await restarted(kubectl, "asked");
    } finally {
      health.close();
    }
  });

  test("AT-31 a pod that is not ready leaves its Service without a restart, and comes back", async ({ kubectl, expect }) => {
    const readinessProbe = { exec: { command: ["test", "-e", "/www/ready"] }, ...quick };
    const web = (name: string): object =>
      shellPod(name, `touch /www/ready; ${httpServer(80, name)}`, { labels: { app: "web" }, container: { readinessProbe } });
    await kubectl.apply([web("one"), web("two"), service("web", 80, 80)]);
    await kubectl("wait", "--for=condition=Ready", "pod/one", "pod/two", "--timeout=60s");
    const ready = [
      "get",
      "endpointslices",
      "-l",
      "kubernetes.io/service-name=web",
      "-o",
      "jsonpath={.items[*].endpoints[?(@.conditions.ready==true)].targetRef.name}",
    ];
    const addresses = [
      "get",
      "endpoints",
      "web",
      "-o",
      "jsonpath={.subsets[*].addresses[*].targetRef.name}|{.subsets[*].notReadyAddresses[*].targetRef.name}",
    ];
    await kubectl.until(ready, (out) => out.split(" ").sort().join() === "one,two");
    await kubectl("exec", "two", "--", "rm", "/www/ready");
    await kubectl("wait", "--for=condition=Ready=false", "pod/two", "--timeout=30s");
    await kubectl.until(addresses, (out) => out === "one|two", 15);
    const many = "for i in $(seq 20); do timeout 2 wget -q -O - http://web; done";
    await kubectl.until(["exec", "one", "--", "sh", "-c", many], (out) => out === "one\n".repeat(20), 15);
    expect(await kubectl(...restarts("two"))).toBe("0");
    await kubectl("exec", "two", "--", "touch", "/www/ready");
    await kubectl("wait", "--for=condition=Ready", "pod/two", "--timeout=30s");
    await kubectl.until(["exec", "one", "--", "sh", "-c", many], (out) => out.includes("one") && out.includes("two"), 15);
  });

  test("AT-32 until the startup probe has passed, the others wait; when it never passes, the container starts anew", async ({
    kubectl,
    expect,
  }) => {
    const script = "touch /tmp/begun; sleep 4; touch /tmp/up; sleep 86400";
    const count = (file: string, test: string): object => ({
      exec: { command: ["sh", "-c", `echo x >> /tmp/${file}; ${test}`] },
      ...quick,
    });
    await kubectl.apply([
      shellPod("slow", script, {
        container: {
          ports: [{ name: "liveness-port", containerPort: 8080 }],
          startupProbe: { exec: { command: ["test", "-e", "/tmp/up"] }, failureThreshold: 30, periodSeconds: 1 },
          livenessProbe: count("live", "test -e /tmp/up"),
          readinessProbe: count("ready", "test -e /tmp/up"),
        },
      }),
      shellPod("never", forever, { container: { startupProbe: { exec: { command: ["false"] }, failureThreshold: 2, periodSeconds: 1 } } }),
    ]);
    await kubectl.until(["exec", "slow", "--", "ls", "/tmp"], (out) => out.includes("begun"));
    const started = ["get", "pod", "slow", "-o", "jsonpath={.status.containerStatuses[0].started} {.status.containerStatuses[0].ready}"];
    const early = (await kubectl("exec", "slow", "--", "sh", "-c", "ls /tmp; [ -e /tmp/up ] && echo late; true")).split("\n");
    if (!early.includes("late")) {
      expect(early).not.toContain("live");
      expect(early).not.toContain("ready");
    }
    await kubectl("wait", "--for=condition=Ready", "pod/slow", "--timeout=30s");
    expect(await kubectl(...started)).toBe("true true");
    await kubectl.until(["exec", "slow", "--", "ls", "/tmp"], (out) => out.includes("live"));
    expect(await kubectl(...restarts("slow"))).toBe("0");
    await restarted(kubectl, "never");
    expect(await kubectl("get", "pod", "never", "-o", "jsonpath={.status.containerStatuses[0].started}")).toBe("false");
  });

  test("AT-32 probes find their port by its name", async ({ kubectl }) => {
    const container = {
      ports: [{ name: "liveness-port", containerPort: 8080 }],
      startupProbe: { httpGet: { path: "/", port: "liveness-port" }, ...quick, failureThreshold: 20 },
    };
    await kubectl.apply(shellPod("named", httpServer(8080, "up"), { container }));
    await kubectl("wait", "--for=condition=Ready", "pod/named", "--timeout=30s");
  });

  test("AT-34 a readiness gate keeps a pod unready until its condition is set from outside", async ({ kubectl, expect }) => {
    const gate = "www.example.com/feature-1";
    await kubectl.apply([
      shellPod("gated", httpServer(80, "gated"), { spec: { readinessGates: [{ conditionType: gate }] } }),
      service("gated", 80, 80),
    ]);
    await kubectl("wait", "--for=condition=ContainersReady", "pod/gated", "--timeout=30s");
    expect(
      await kubectl(
        "get",
        "pod",
        "gated",
        "-o",
        'jsonpath={.status.containerStatuses[0].ready} {.status.conditions[?(@.type=="Ready")].status} {.status.conditions[?(@.type=="Ready")].reason}',
      ),
    ).toBe("true False ReadinessGatesNotReady");
    expect((await kubectl("get", "pod", "gated", "-o", "wide", "--no-headers")).trim()).toMatch(/0\/1$/);
    const set = (status: string): Promise<string> =>
      kubectl("patch", "pod", "gated", "--subresource=status", "-p", JSON.stringify({ status: { conditions: [{ type: gate, status }] } }));
    await set("True");
    await kubectl("wait", "--for=condition=Ready", "pod/gated", "--timeout=20s");
    await kubectl.until(
      ["get", "endpoints", "gated", "-o", "jsonpath={.subsets[0].addresses[*].targetRef.name}"],
      (out) => out === "gated",
    );
    await set("False");
    await kubectl("wait", "--for=condition=Ready=false", "pod/gated", "--timeout=20s");
  });

  test("AT-33 init containers run one after the other to their end before the app starts", async ({ kubectl, expect }) => {
    const volumeMounts = [{ name: "work", mountPath: "/work" }];
    const step = (name: string, script: string): object => shell(name, script, { volumeMounts });
    await kubectl.apply(
      shellPod("fitness", `cat /work/log; ${forever}`, {
        container: { volumeMounts },
        spec: {
          initContainers: [
            step("first", "echo first begins >> /work/log; sleep 2; echo first ends >> /work/log"),
            step("second", "echo second >> /work/log"),
          ],
          volumes: [{ name: "work", emptyDir: {} }],
        },
      }),
    );
    await kubectl.until(["get", "pod", "fitness", "--no-headers"], (out) => /0\/1\s+Init:[01]\/2/.test(out), 20);
    await kubectl("wait", "--for=condition=Ready", "pod/fitness", "--timeout=60s");
    expect(await kubectl("logs", "fitness")).toBe("first begins\nfirst ends\nsecond\n");
    expect(await kubectl("logs", "fitness", "-c", "first")).toBe("");
  });

  test("AT-33 an init container that fails is tried again, and the app waits", async ({ kubectl, expect }) => {
    const volumeMounts = [{ name: "work", mountPath: "/work" }];
    await kubectl.apply(
      shellPod("retry", forever, {
        spec: {
          initContainers: [shell("install", "[ -e /work/tried ] && exit 0; touch /work/tried; exit 1", { volumeMounts })],
          volumes: [{ name: "work", emptyDir: {} }],
        },
      }),
    );
    await kubectl("wait", "--for=condition=Ready", "pod/retry", "--timeout=60s");
    expect(
      await kubectl(
        "get",
        "pod",
        "retry",
        "-o",
        "jsonpath={.status.initContainerStatuses[0].restartCount} {.status.containerStatuses[0].restartCount}",
      ),
    ).toBe("1 0");
  });
});
