import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { expect } from "vitest";
import type { Kubectl } from "../support/kubectl.ts";
import { docker } from "../support/machine.ts";
import { forever, shell, shellPod } from "../support/manifests.ts";
import { sharedCluster, test } from "../support/shared-cluster.ts";

test("a pod's security context holds for its containers and volumes, a container's own comes before it", async ({ kubectl }) => {
  const volumeMounts = [{ name: "work", mountPath: "/work" }];
  const own = { runAsUser: 3000, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };
  await kubectl("create", "secret", "generic", "secret", "--from-literal=a=b");
  await kubectl.apply(
    shellPod("hello", "", {
      spec: {
        securityContext: {
          ...{ runAsUser: 1000, runAsGroup: 2000, fsGroup: 1234, supplementalGroups: [5678] },
          seLinuxOptions: { level: "s0:c123,c456" },
        },
        containers: [
          shell("first", `touch /work/by-first; ${forever}`, { volumeMounts }),
          shell("second", forever, {
            securityContext: own,
            volumeMounts: [...volumeMounts, { name: "secret", mountPath: "/secret" }],
          }),
          shell("free", forever, { securityContext: { runAsUser: 0, privileged: true } }),
        ],
        volumes: [
          { name: "work", emptyDir: {} },
          { name: "secret", secret: { secretName: "secret", defaultMode: 0o400 } },
        ],
      },
    }),
  );
  await kubectl("wait", "--for=condition=Ready", "pod/hello", "--timeout=60s");
  const run = (container: string, script: string): Promise<string> => kubectl("exec", "hello", "-c", container, "--", "sh", "-c", script);
  expect(await run("first", "id")).toBe("uid=1000 gid=2000 groups=1234,2000,5678\n");
  expect(await run("second", "id -u; id -G | tr ' ' '\\n' | sort -n | tr '\\n' ' '")).toBe("3000\n1234 2000 5678 ");
  // What is made in the volume belongs to its group, and the other container, of another user, may write beside it.
  await expect.poll(() => run("second", "touch /work/by-second; stat -c %g /work/by-first")).toBe("1234\n");
  expect(await run("second", "cat /secret/a")).toBe("b");
  const blocked = await kubectl.run(["exec", "hello", "-c", "second", "--", "touch", "/tmp/x"]);
  expect(blocked.stderr).toContain("Read-only file system");
  const status = "grep -E 'CapBnd|NoNewPrivs' /proc/1/status | tr -d '\\t\\n'";
  expect(await run("second", status)).toBe("CapBnd:0000000000000000NoNewPrivs:1");
  expect(await run("first", status)).toMatch(/NoNewPrivs:0$/);
  const bits = async (container: string): Promise<number> =>
    BigInt(`0x${await run(container, "grep CapBnd /proc/1/status | cut -f2 | tr -d '\\n'")}`)
      .toString(2)
      .replaceAll("0", "").length;
  expect(await bits("free")).toBeGreaterThan(await bits("first"));
});

test("a container that must not run as root does not start from an image that does", async ({ kubectl }) => {
  await kubectl.apply(shellPod("root", forever, { spec: { securityContext: { runAsNonRoot: true } } }));
  await kubectl.until(["get", "pod", "root", "--no-headers"], (out) => out.includes("CreateContainerConfigError"), 30);
  const message = ["get", "pod", "root", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.message}"];
  expect(await kubectl(...message)).toMatch(/^container has runAsNonRoot and image will run as root \(pod: "root_/);
});

test.skipIf(existsSync("/sys/module/apparmor"))(
  "a pod with an AppArmor profile is refused by a machine without AppArmor",
  async ({ kubectl }) => {
    const pod = shellPod("profiled", forever) as { metadata: object };
    const annotations = { "container.apparmor.security.beta.kubernetes.io/main": "localhost/k8s-apparmor-example-deny-write" };
    const { stderr } = await kubectl.run(["create", "-f", "-"], JSON.stringify({ ...pod, metadata: { ...pod.metadata, annotations } }));
    expect(stderr).toContain('deprecated since v1.30; use the "appArmorProfile" field instead');
    const status = ["get", "pod", "profiled", "-o", "jsonpath={.status.phase} {.status.reason} {.status.message}"];
    await kubectl.until(
      status,
      (out) => out === "Failed AppArmor Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host",
    );
  },
);

/** A registry that has one image, for whoever knows the password. */
async function privateRegistry(user: string, password: string): Promise<{ host: string; stop(): void }> {
  const files = pack();
  files.entry({ name: "bin/busybox", mode: 0o755 }, readFileSync("/bin/busybox"));
  for (const name of ["sh", "sleep"]) files.entry({ name: `bin/${name}`, type: "symlink", linkname: "busybox" });
  files.finalize();
  const tar = await buffer(files);
  const digest = (data: Buffer): string => `sha256:${createHash("sha256").update(data).digest("hex")}`;
  const layer = gzipSync(tar);
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === "arm64" ? "arm64" : "amd64",
      os: "linux",
      config: { Env: ["PATH=/bin"], Cmd: ["sh"] },
      rootfs: { type: "layers", diff_ids: [digest(tar)] },
      history: [{ created_by: "test" }],
    }),
  );
  const part = (type: string, data: Buffer): object => ({
    mediaType: `application/vnd.docker.${type}`,
    size: data.length,
    digest: digest(data),
  });
  const mediaType = "application/vnd.docker.distribution.manifest.v2+json";
  const layers = [part("image.rootfs.diff.tar.gzip", layer)];
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config: part("container.image.v1+json", config), layers }));
  const blobs = new Map([config, layer, manifest].map((data) => [digest(data), data]));
  const server = createServer(({ url = "", headers, method }, reply) => {
    if (headers.authorization !== `Basic ${btoa(`${user}:${password}`)}`)
      return void reply
        .writeHead(401, { "www-authenticate": 'Basic realm="test"', "content-type": "application/json" })
        .end('{"errors":[]}');
    const name = url.split("/").at(-1) ?? "";
    const data = url === "/v2/" ? Buffer.from("{}") : name === "1" ? manifest : blobs.get(name);
    if (!data) return void reply.writeHead(404).end();
    const type = data === manifest ? mediaType : "application/octet-stream";
    reply.writeHead(200, { "content-type": type, "content-length": data.length, "docker-content-digest": digest(data) });
    reply.end(method === "HEAD" ? undefined : data);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return { host: `127.0.0.1:${typeof address === "object" && address ? address.port : 0}`, stop: () => void server.close() };
}

async function refusedPull(kubectl: Kubectl, pod: string): Promise<void> {
  await kubectl.until(["get", "pod", pod, "--no-headers"], (out) => /ErrImagePull|ImagePullBackOff/.test(out), 40);
  await kubectl.until(["get", "events", `--field-selector=involvedObject.name=${pod}`], (out) =>
    /Failed to pull image ".*private\/app:1":.*(no basic auth credentials|unauthorized)/.test(out),
  );
}

test("an image of a private registry comes only with the pull secret of the pod or its account, from its own namespace", async ({
  kubectl,
}) => {
  const { kubectl: admin } = sharedCluster();
  const registry = await privateRegistry("jane", "p:w");
  const image = `${registry.host}/private/app:1`;
  const pod = (name: string, spec: object = {}, imagePullPolicy = "IfNotPresent"): object =>
    shellPod(name, forever, { container: { image, imagePullPolicy }, spec });
  const elsewhere = `elsewhere-${kubectl.namespace}`;
  const secret = (name: string, server: string): string[] => [
    ...["create", "secret", "docker-registry", name, `--docker-server=${server}`],
    ...["--docker-username=jane", "--docker-password=p:w", "--docker-email=jane@example.com"],
  ];
  try {
    await kubectl.apply(pod("without"));
    await refusedPull(kubectl, "without");
    await kubectl(...secret("other", "registry.example"));
    await kubectl(...secret("right", registry.host));
    await kubectl.apply(pod("with", { imagePullSecrets: [{ name: "other" }, { name: "right" }] }));
    await kubectl("wait", "--for=condition=Ready", "pod/with", "--timeout=60s");
    await kubectl("patch", "serviceaccount", "default", "-p", '{"imagePullSecrets":[{"name":"right"}]}');
    await kubectl.apply(pod("by-account", {}, "Always"));
    await kubectl("wait", "--for=condition=Ready", "pod/by-account", "--timeout=60s");
    // The image is on the node by now: whose pods have to pull it have to show the password all the same.
    await admin("create", "namespace", elsewhere);
    await admin(...secret("theirs", registry.host), "-n", elsewhere);
    await kubectl.apply(pod("foreign", { imagePullSecrets: [{ name: "theirs" }] }, "Always"));
    await refusedPull(kubectl, "foreign");
    await kubectl.until(["get", "events", "--field-selector=reason=FailedToRetrieveImagePullSecret"], (out) =>
      out.includes("Unable to retrieve some image pull secrets (theirs)"),
    );
  } finally {
    registry.stop();
    await admin("delete", "namespace", elsewhere, "--wait=false", "--ignore-not-found");
    await kubectl("delete", "pod", "--all", "--timeout=60s");
    await docker("rmi", "-f", image).catch(() => "");
  }
});
