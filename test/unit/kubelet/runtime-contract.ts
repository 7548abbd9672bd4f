import { afterAll, beforeAll, expect, test } from "vitest";
import type { ContainerSpec, PodState, Runtime, Session } from "../../../src/kubelet/runtime/runtime.ts";

/** A runtime under test, and an image in it that has /bin/sh (or pretends to). */
export interface RuntimeUnderTest {
  runtime: Runtime;
  image: string;
  /** An unused address range. */
  podCIDR: string;
  clean(): Promise<void>;
}

const pod = { uid: "uid-contract", name: "web", namespace: "default" };

/** What every runtime has to keep: the simulated one and Docker. */
export function runtimeContract(make: () => Promise<RuntimeUnderTest>): void {
  let under: RuntimeUnderTest;
  let runtime: Runtime;
  let sandboxId = "";
  const changes = new Set<string | undefined>();
  beforeAll(async () => {
    under = await make();
    runtime = under.runtime;
    runtime.watch((uid) => changes.add(uid));
    await runtime.network.setup(under.podCIDR);
    const spec = { pod, attempt: 0, hostname: "web", hostNetwork: false, hostPID: false, hostIPC: false, sysctls: {} };
    sandboxId = await runtime.createSandbox(spec);
  });
  afterAll(() => under.clean());

  async function spec(name: string, command: string[], changes: Partial<ContainerSpec> = {}): Promise<ContainerSpec> {
    const image = await runtime.image(under.image);
    if (!image) throw new Error(`no image ${under.image}`);
    return {
      ...{ pod, sandboxId, name, attempt: 0, specHash: "h", imageId: image.id, image: under.image, command, args: [], workingDir: "" },
      env: [{ name: "GREETING", value: "hello" }],
      mounts: [],
      resources: { cpuShares: 128, cpuQuota: 0, cpuPeriod: 100_000, memory: 64 * 2 ** 20 },
      security: {
        ...{ user: "", groups: [], privileged: false, readOnlyRootFilesystem: false, noNewPrivileges: false, addCapabilities: [] },
        ...{ dropCapabilities: [], seccomp: "unconfined", appArmor: "", seLinux: [], unmaskedProc: false, oomScoreAdj: 0 },
      },
      ...{ stdin: false, stdinOnce: false, tty: false, stopSignal: "", pidNamespace: "", hostNetwork: false },
      annotations: { note: "kept" },
      ...changes,
    };
  }

  async function start(name: string, command: string[], changes: Partial<ContainerSpec> = {}): Promise<string> {
    const id = await runtime.createContainer(await spec(name, command, changes));
    await runtime.startContainer(id);
    return id;
  }

  const find = async (id: string) => (await runtime.pod(pod.uid)).containers.find((c) => c.id === id);

  test("names itself with its version", async () => {
    expect(await runtime.version()).toMatch(/^[a-z]+:\/\/\d/);
  });

  test("gives a sandbox an address of the node's range", async () => {
    const state = await runtime.pod(pod.uid);
    expect(state.sandboxes).toMatchObject([{ id: sandboxId, attempt: 0, running: true }]);
    expect(state.sandboxes[0]?.ip?.split(".").slice(0, 3)).toEqual(under.podCIDR.split(".").slice(0, 3));
  });

  test("tells of a running container what it was made from", async () => {
    const id = await start("app", ["sleep", "1000"]);
    expect(await find(id)).toMatchObject({
      ...{ name: "app", attempt: 0, specHash: "h", sandboxId, state: "running", image: under.image, annotations: { note: "kept" } },
      resources: { cpuShares: 128, memory: 64 * 2 ** 20 },
    });
    const all: PodState[] = await runtime.pods();
    expect(all.find((s) => s.pod.uid === pod.uid)?.pod).toEqual(pod);
    await runtime.removeContainer(id);
    expect(await find(id)).toBeUndefined();
  });

  test("tells how a container ended, wakes who watches, and lists the newest attempt first", async () => {
    await start("short", ["false"]);
    await expect.poll(async () => (await runtime.pod(pod.uid)).containers.find((c) => c.name === "short")?.state).toBe("exited");
    await expect.poll(() => changes.has(pod.uid)).toBe(true);
    const second = await start("short", ["true"], { attempt: 1 });
    await expect.poll(async () => (await find(second))?.state).toBe("exited");
    const attempts = (await runtime.pod(pod.uid)).containers.filter((c) => c.name === "short");
    expect(attempts.map((c) => [c.attempt, c.exitCode])).toEqual([
      [1, 0],
      [0, 1],
    ]);
  });

  test("changes the resources of a running container", async () => {
    const id = await start("resized", ["sleep", "1000"]);
    await runtime.updateResources(id, { cpuShares: 256, cpuQuota: 50_000, cpuPeriod: 100_000, memory: 128 * 2 ** 20 });
    expect((await find(id))?.resources).toMatchObject({ cpuShares: 256, cpuQuota: 50_000, memory: 128 * 2 ** 20 });
    await runtime.updateResources(id, { cpuShares: 2, cpuQuota: 0, cpuPeriod: 100_000, memory: 0 });
    expect((await find(id))?.resources).toMatchObject({ cpuShares: 2, cpuQuota: 0, memory: 0 });
    await runtime.removeContainer(id);
  });

  test("runs commands: output, exit code, stdin", async () => {
    const id = await start("commands", ["sleep", "1000"]);
    const echo = await runtime.exec(id, ["echo", "hi"], { stdin: false, stdout: true, stderr: true, tty: false });
    expect(await collect(echo)).toEqual({ output: "hi\n", code: 0 });
    const fail = await runtime.exec(id, ["false"], { stdin: false, stdout: true, stderr: true, tty: false });
    expect(await collect(fail)).toEqual({ output: "", code: 1 });
    const cat = await runtime.exec(id, ["cat"], { stdin: true, stdout: true, stderr: true, tty: false });
    cat.stdin?.write("typed");
    cat.stdin?.end();
    expect(await collect(cat)).toEqual({ output: "typed", code: 0 });
    await runtime.removeContainer(id);
  });

  test("reports what a running container uses, and nothing of others", async () => {
    const id = await start("measured", ["sleep", "1000"]);
    expect((await runtime.stats(id))?.memoryWorkingSetBytes).toBeGreaterThan(0);
    await runtime.killContainer(id);
    expect(await runtime.stats(id)).toBeUndefined();
    await runtime.removeContainer(id);
  });

  test("takes it well when what should stop or go is not there", async () => {
    await runtime.stopContainer("nothing", 0);
    await runtime.killContainer("nothing");
    await runtime.removeContainer("nothing");
    await runtime.removeSandbox("nothing");
    expect((await runtime.pod("nobody")).containers).toEqual([]);
  });

  test("has no image that nobody has, and says so when pulling it", async () => {
    await expect(runtime.pull("hue.invalid/none:1", undefined, AbortSignal.timeout(20_000))).rejects.toThrow();
  });
}

async function collect(session: Session): Promise<{ output: string; code: number }> {
  let output = "";
  session.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  session.stderr?.resume();
  const code = await session.done;
  await new Promise((resolve) => setImmediate(resolve));
  return { output, code };
}
