import { expect } from "vitest";
import { forever, shell, shellPod } from "../support/manifests.ts";
import { test } from "../support/shared-cluster.ts";

const inside = (pod: string, container: string, script: string): string[] => ["exec", pod, "-c", container, "--", "sh", "-c", script];
const mount = (name: string, mountPath: string, more: object = {}): object => ({ name, mountPath, ...more });

test("an emptyDir is one for all containers of a pod, may be mounted for reading only, and may lie in memory", async ({ kubectl }) => {
  await kubectl.apply(
    shellPod("fortune", "", {
      spec: {
        containers: [
          shell("writer", `echo fortune > /html/index; ${forever}`, { volumeMounts: [mount("html", "/html"), mount("fast", "/fast")] }),
          shell("reader", forever, { volumeMounts: [mount("html", "/www", { readOnly: true })] }),
        ],
        volumes: [
          { name: "html", emptyDir: {} },
          { name: "fast", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
        ],
      },
    }),
  );
  await kubectl("wait", "--for=condition=Ready", "pod/fortune", "--timeout=60s");
  await kubectl.until(inside("fortune", "reader", "cat /www/index"), (out) => out === "fortune\n", 20);
  expect((await kubectl.run(inside("fortune", "reader", "echo x > /www/index"))).stderr).toContain("Read-only file system");
  expect(await kubectl(...inside("fortune", "writer", "grep ' /fast ' /proc/mounts"))).toMatch(/^tmpfs \/fast tmpfs .*size=1024k/);
  expect((await kubectl.run(inside("fortune", "writer", "dd if=/dev/zero of=/fast/x bs=1M count=2"))).stderr).toContain("No space left");
});

test("a pod waits for its Secret, whose files then lie in memory, for reading only, in every container that mounts them", async ({
  kubectl,
}) => {
  const volumeMounts = [mount("secret", "/mnt/secret-volume", { readOnly: true })];
  await kubectl.apply(
    shellPod("with-secret", "", {
      spec: {
        containers: [shell("one", forever, { volumeMounts }), shell("two", forever, { volumeMounts })],
        volumes: [{ name: "secret", secret: { secretName: "hush-hush" } }],
      },
    }),
  );
  await kubectl.until(["get", "events", "--field-selector=reason=FailedMount"], (out) =>
    out.includes('MountVolume.SetUp failed for volume "secret" : secret "hush-hush" not found'),
  );
  expect(await kubectl("get", "pod", "with-secret", "--no-headers")).toMatch(/0\/2\s+ContainerCreating/);
  await kubectl("create", "secret", "generic", "hush-hush", "--from-literal=username=tobias", "--from-literal=password=cutoffs");
  await kubectl("wait", "--for=condition=Ready", "pod/with-secret", "--timeout=60s");
  for (const container of ["one", "two"])
    expect(await kubectl(...inside("with-secret", container, "cd /mnt/secret-volume; cat username password"))).toBe("tobiascutoffs");
  expect((await kubectl.run(inside("with-secret", "one", "echo x > /mnt/secret-volume/username"))).stderr).toContain(
    "Read-only file system",
  );
  const table = await kubectl(...inside("with-secret", "one", "cat /proc/mounts"));
  expect(table).toMatch(/^tmpfs \/mnt\/secret-volume tmpfs ro,/m);
  expect(table).toMatch(/^tmpfs \/var\/run\/secrets\/kubernetes\.io\/serviceaccount tmpfs ro,/m);
});

test("a container waits for the ConfigMap that its variables come from", async ({ kubectl }) => {
  const env = [
    { name: "INTERVAL", valueFrom: { configMapKeyRef: { name: "fortune-config", key: "sleep-interval" } } },
    { name: "LATER", valueFrom: { configMapKeyRef: { name: "none", key: "x", optional: true } } },
  ];
  await kubectl.apply(
    shellPod("fortune", `echo "$INTERVAL \${LATER-unset} $CONFIG_sleep"; ${forever}`, {
      container: { env, envFrom: [{ prefix: "CONFIG_", configMapRef: { name: "fortune-config" } }] },
    }),
  );
  await kubectl.until(["get", "pod", "fortune", "--no-headers"], (out) => out.includes("CreateContainerConfigError"), 30);
  const message = ["get", "pod", "fortune", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.message}"];
  expect(await kubectl(...message)).toBe('configmap "fortune-config" not found');
  await kubectl("create", "configmap", "fortune-config", "--from-literal=sleep-interval=25", "--from-literal=sleep=yes");
  await kubectl("wait", "--for=condition=Ready", "pod/fortune", "--timeout=30s");
  expect(await kubectl("logs", "fortune")).toBe("25 unset yes\n");
});

test("files of ConfigMaps and of the downward API follow their objects; a subPath and variables stay as they were", async ({ kubectl }) => {
  await kubectl("create", "configmap", "settings", "--from-literal=color=blue", "--from-literal=size=big");
  const volumeMounts = [
    mount("settings", "/usr/local"), // hides what the image has there
    mount("settings", "/one/color", { subPath: "color" }),
    mount("about", "/about"),
  ];
  const fields = ["metadata.labels", "metadata.annotations", "metadata.name", "metadata.namespace"];
  const resource = (path: string, name: string, divisor: string): object => ({
    path,
    resourceFieldRef: { containerName: "main", resource: name, divisor },
  });
  const items = [
    ...fields.map((fieldPath) => ({ path: fieldPath.slice(9), fieldRef: { fieldPath } })),
    resource("cpu", "requests.cpu", "1m"),
    resource("memory", "limits.memory", "1"),
  ];
  await kubectl.apply(
    shellPod("told", forever, {
      container: {
        volumeMounts,
        env: [{ name: "COLOR", valueFrom: { configMapKeyRef: { name: "settings", key: "color" } } }],
        resources: { requests: { cpu: "15m", memory: "8Mi" }, limits: { cpu: "100m", memory: "16Mi" } },
      },
      spec: {
        volumes: [
          { name: "settings", configMap: { name: "settings" } },
          { name: "about", downwardAPI: { items } },
        ],
      },
    }),
  );
  await kubectl("wait", "--for=condition=Ready", "pod/told", "--timeout=60s");
  const read = (script: string): string[] => inside("told", "main", script);
  expect(await kubectl(...read("ls /usr/local; stat -L -c %a /usr/local/color; cat /one/color"))).toBe("color\nsize\n644\nblue");
  expect(await kubectl(...read("cd /about; cat labels; for f in name namespace cpu memory; do echo; cat $f; done"))).toBe(
    `app="told"\ntold\n${kubectl.namespace}\n15\n16777216`,
  );
  await kubectl("patch", "configmap", "settings", "-p", '{"data":{"color":"green"}}');
  await kubectl("label", "pod", "told", "rel=beta");
  await kubectl("annotate", "pod", "told", "note=a\nb");
  await kubectl.until(read("cat /usr/local/color"), (out) => out === "green", 30);
  await kubectl.until(read("cat /about/labels"), (out) => out === 'app="told"\nrel="beta"', 30);
  await kubectl.until(read("cat /about/annotations"), (out) => out.includes('note="a\\nb"'), 30);
  expect(await kubectl(...read("cat /one/color; echo $COLOR"))).toBe("blueblue\n");
  expect(await kubectl("get", "pod", "told", "-o", "jsonpath={.status.containerStatuses[0].restartCount}")).toBe("0");
});
