import { mkdtempSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cleanup } from "../../src/kubelet/cleanup.ts";
import { createDockerRuntime } from "../../src/kubelet/runtime/docker/docker-runtime.ts";
import { Engine } from "../../src/kubelet/runtime/docker/engine.ts";
import type { EngineContainer } from "../../src/kubelet/runtime/docker/states.ts";
import { pauseProgram } from "../../src/kubelet/runtime/docker/pause.ts";
import type { ContainerSpec, Runtime, SandboxSpec } from "../../src/kubelet/runtime/runtime.ts";
import { linuxHost } from "../../src/network/host/host.ts";
import { BridgeNetwork, bridgeName } from "../../src/network/pod-network.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { runtimeContract } from "../unit/kubelet/runtime-contract.ts";

const engine = new Engine();
const image = "hue-test/runtime:1";

/** An image with nothing but busybox, made from this machine's own. */
async function buildImage(): Promise<void> {
  const files = pack();
  const busybox = readFileSync("/bin/busybox");
  files.entry({ name: "bin/busybox", mode: 0o755 }, busybox);
  for (const name of ["sh", "sleep", "true", "false", "echo", "cat", "id", "hostname", "httpd", "wget", "mkdir"])
    files.entry({ name: `bin/${name}`, type: "symlink", linkname: "busybox" });
  files.entry({ name: "tmp", type: "directory", mode: 0o1777 });
  files.finalize();
  const [repo, tag] = image.split(":");
  const query = { fromSrc: "-", repo, tag, changes: "ENV PATH=/bin" };
  const reply = await engine.stream("POST", "/images/create", { query, body: await buffer(files) });
  await buffer(reply);
}

const bridges = new Set<string>();

function podNetwork(nodeName: string): BridgeNetwork {
  const bridge = bridgeName(`runtime-test-${process.pid}`, nodeName);
  bridges.add(bridge);
  return new BridgeNetwork(linuxHost, bridge, async () => {});
}

function temporary(): string {
  return mkdtempSync(join(tmpdir(), "hue-runtime-"));
}

beforeAll(buildImage);
afterAll(async () => {
  await engine.call("DELETE", `/images/${image}`, { query: { force: true } });
  for (const bridge of bridges) await linuxHost.ip("link", "del", bridge).catch(() => "");
});

describe("Docker Engine", () => {
  runtimeContract(async () => {
    const dataDir = temporary();
    const runtime = createDockerRuntime({ nodeName: "contract", dataDir, clock: systemClock, network: podNetwork("contract") });
    const clean = async (): Promise<void> => {
      runtime.close();
      await cleanup(dataDir);
      await rm(dataDir, { recursive: true, force: true });
    };
    return { runtime, image, podCIDR: "10.199.1.0/24", clean };
  });
});

describe("pods on Docker Engine", () => {
  const dataDir = temporary();
  const runtime: Runtime = createDockerRuntime({
    nodeName: "pods-on-docker",
    dataDir,
    clock: systemClock,
    network: podNetwork("pods-on-docker"),
  });
  const pod = { uid: "uid-docker", name: "web", namespace: "default" };
  let sandbox = "";
  beforeAll(async () => {
    await runtime.network.setup("10.199.2.0/24");
    sandbox = await runtime.createSandbox(sandboxSpec());
  });
  afterAll(async () => {
    runtime.close();
    await cleanup(dataDir);
    await rm(dataDir, { recursive: true, force: true });
  });

  function sandboxSpec(changes: Partial<SandboxSpec> = {}): SandboxSpec {
    return {
      pod,
      attempt: 0,
      hostname: "web",
      hostNetwork: false,
      hostPID: false,
      hostIPC: false,
      sysctls: {},
      ...changes,
    };
  }

  async function start(
    name: string,
    script: string,
    changes: Partial<ContainerSpec> = {},
    security: Partial<ContainerSpec["security"]> = {},
  ): Promise<string> {
    const found = await runtime.image(image);
    const id = await runtime.createContainer({
      ...{
        pod,
        sandboxId: sandbox,
        name,
        attempt: 0,
        specHash: "h",
        imageId: found?.id ?? "",
        image,
        command: ["sh", "-c", script],
        args: [],
      },
      ...{
        workingDir: "",
        env: [],
        mounts: [],
        stdin: false,
        stdinOnce: false,
        tty: false,
        stopSignal: "",
        pidNamespace: "",
        hostNetwork: false,
      },
      resources: { cpuShares: 2, cpuQuota: 0, cpuPeriod: 100_000, memory: 0 },
      security: {
        ...{ user: "", groups: [], privileged: false, readOnlyRootFilesystem: false, noNewPrivileges: false, addCapabilities: [] },
        ...{ dropCapabilities: [], seccomp: "unconfined", appArmor: "", seLinux: [], unmaskedProc: false, oomScoreAdj: 0, ...security },
      },
      annotations: {},
      ...changes,
    });
    await runtime.startContainer(id);
    return id;
  }

  async function log(id: string, options = {}): Promise<string> {
    await expect
      .poll(async () => (await runtime.pod(pod.uid)).containers.find((c) => c.id === id)?.state, { timeout: 10_000 })
      .toBe("exited");
    let text = "";
    for await (const chunk of await runtime.logs(id, { follow: false, timestamps: false, ...options })) text += chunk;
    return text;
  }

  test("share their sandbox's host name and network, and keep their own files", async () => {
    const server = await start("server", "mkdir /www; echo answer > /www/index.html; exec httpd -f -p 127.0.0.1:7777 -h /www");
    const get = "for i in 1 2 3 4 5 6 7 8 9; do wget -q -O- http://127.0.0.1:7777/ 2> /dev/null && break; sleep 0.3; done";
    const client = await start("client", `hostname; ${get}; cat /www/index.html 2>&1`);
    expect(await log(client)).toBe("web\nanswer\ncat: can't open '/www/index.html': No such file or directory\n");
    await runtime.removeContainer(server);
  });

  test("log both outputs, by lines from the end, with times", async () => {
    const id = await start("logs", "echo one; sleep 0.3; echo two 1>&2; sleep 0.3; echo three");
    expect(await log(id)).toBe("one\ntwo\nthree\n");
    expect(await log(id, { tail: 1 })).toBe("three\n");
    expect(await log(id, { tail: 0 })).toBe("");
    expect(await log(id, { timestamps: true })).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z one\n/);
    expect(await log(id, { since: Date.now() + 60_000 })).toBe("");
  });

  test("follow a log until its container ends", async () => {
    const id = await start("follow", "for i in 1 2 3; do echo $i; sleep 0.1; done");
    let text = "";
    for await (const chunk of await runtime.logs(id, { follow: true, timestamps: false })) text += chunk;
    expect(text).toBe("1\n2\n3\n");
  });

  test("get files mounted from the host, and may be kept from writing", async () => {
    const folder = join(dataDir, "mounted");
    await mkdir(folder);
    await writeFile(join(folder, "f"), "from the host\n");
    const mounts = [{ source: folder, target: "/m", readOnly: true, propagation: "rprivate" as const }];
    // One stream: the engine reads the two of a container in no certain order.
    const id = await start("mounts", "exec 2>&1; cat /m/f; echo x > /m/g; echo y > /h", { mounts }, { readOnlyRootFilesystem: true });
    expect(await log(id)).toBe("from the host\nsh: can't create /m/g: Read-only file system\nsh: can't create /h: Read-only file system\n");
  });

  test("run as the user and the groups that they are told", async () => {
    expect(await log(await start("user", "id", {}, { user: "1000:2000", groups: ["3000"] }))).toBe("uid=1000 gid=2000 groups=2000,3000\n");
  });

  test("may be privileged where the machine withholds capabilities", async () => {
    expect(await log(await start("privileged", "echo ok", {}, { privileged: true, oomScoreAdj: -997 }))).toBe("ok\n");
  });

  test("get the signal, and SIGKILL when their time is over", async () => {
    const polite = await start("polite", "trap 'echo bye; exit 7' TERM; while true; do sleep 0.1; done");
    await runtime.stopContainer(polite, 10);
    expect(await log(polite)).toBe("bye\n");
    const deaf = await start("deaf", "trap '' TERM; while true; do sleep 0.1; done");
    await runtime.stopContainer(deaf, 1);
    const ends = (await runtime.pod(pod.uid)).containers.filter((c) => c.name === "polite" || c.name === "deaf").map((c) => c.exitCode);
    expect(ends.sort()).toEqual([137, 7]);
  });

  test("say why a program cannot be started", async () => {
    await expect(start("bad", "", { command: ["/nonexistent"] })).rejects.toThrow(/OCI runtime create failed.*\/nonexistent/);
    expect((await runtime.pod(pod.uid)).containers.find((c) => c.name === "bad")).toMatchObject({
      state: "exited",
      startedAt: 0,
      error: expect.stringContaining("/nonexistent"),
    });
  });

  test("end a command whose caller has gone", async () => {
    const id = await start("exec", "sleep 1000");
    const session = await runtime.exec(id, ["sleep", "999"], { stdin: false, stdout: true, stderr: true, tty: false });
    const count = async (): Promise<number> =>
      (await engine.call<{ Processes: string[][] }>("GET", `/containers/${id}/top`)).Processes.filter((p) => p.join(" ").includes("999"))
        .length;
    await expect.poll(count).toBe(1);
    session.close();
    await expect.poll(count).toBe(0);
  });

  test("are reached on their own address, and on their loopback", async () => {
    const state = (await runtime.pod(pod.uid)).sandboxes[0];
    if (!state) throw new Error("no sandbox");
    const site = (name: string, address: string): string =>
      `mkdir /${name}; echo ${name} > /${name}/index.html; httpd -p ${address} -h /${name}`;
    const id = await start("listen", `${site("outer", "8001")}; ${site("inner", "127.0.0.1:8002")}; sleep 1000`);
    const get = async (port: number): Promise<string> => {
      const connection = await runtime.dial(state, port);
      connection.write("GET / HTTP/1.0\r\n\r\n");
      let text = "";
      for await (const chunk of connection) text += chunk;
      return text;
    };
    await expect.poll(() => get(8001).catch(String), { timeout: 20_000 }).toContain("outer");
    await expect.poll(() => get(8002).catch(String), { timeout: 20_000 }).toContain("inner");
    await expect(runtime.dial(state, 8003)).rejects.toThrow("ECONNREFUSED");
    await runtime.removeContainer(id);
  });

  test("come back to a runtime that starts anew, the same ones", async () => {
    const id = await start("adopted", "sleep 1000");
    const again = createDockerRuntime({ nodeName: "pods-on-docker", dataDir, clock: systemClock, network: podNetwork("pods-on-docker") });
    expect((await again.pod(pod.uid)).containers.find((c) => c.name === "adopted")).toMatchObject({ id, state: "running" });
    const other = createDockerRuntime({ nodeName: "another", dataDir, clock: systemClock, network: podNetwork("another") });
    expect(await other.pods()).toEqual([]);
  });

  test("have a sandbox that ends at once when told to", async () => {
    expect(pauseProgram("x64").length).toBeLessThan(300);
    expect(pauseProgram("arm64").length).toBeLessThan(300);
    await runtime.stopSandbox(sandbox);
    expect((await engine.call<EngineContainer>("GET", `/containers/${sandbox}/json`)).State.ExitCode).toBe(0); // SIGKILL would be 137
  });

  test("leave nothing behind after a cleanup, and it takes nothing from others", async () => {
    const folder = temporary();
    const neighbour = createDockerRuntime({ nodeName: "neighbour", dataDir: folder, clock: systemClock, network: podNetwork("neighbour") });
    await neighbour.network.setup("10.199.3.0/24");
    await neighbour.createSandbox({ ...sandboxSpec(), pod: { ...pod, uid: "uid-neighbour" } });
    const removed = await cleanup(dataDir);
    expect(removed.containers).toBeGreaterThan(0);
    expect(await runtime.pods()).toEqual([]);
    expect((await neighbour.pods()).length).toBe(1);
    expect(await cleanup(folder)).toEqual({ containers: 1 });
    await rm(folder, { recursive: true, force: true });
  });
});
