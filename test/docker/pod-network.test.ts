import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, expect, test } from "vitest";
import { machine } from "../support/machine.ts";

const namespace = `hue-test-${process.pid}`;
const folder = new URL("../../src/network/", import.meta.url).pathname;

afterAll(() => machine("ip", "netns", "del", namespace));

test("a machine that is a network namespace only joins its pods to its own bridge, and sees that they are joined", async () => {
  await machine("ip", "netns", "add", namespace);
  const pod = spawn("unshare", ["--net", "sleep", "60"], { stdio: "ignore" });
  await once(pod, "spawn");
  const script = `
    import { linuxHost } from "${folder}host/host.ts";
    import { BridgeNetwork } from "${folder}pod-network.ts";
    import { readlinkSync } from "node:fs";
    // The child has its own network a moment after it has begun.
    while (readlinkSync("/proc/${pod.pid}/ns/net") === readlinkSync("/proc/${process.pid}/ns/net")) await new Promise(setImmediate);
    const network = new BridgeNetwork(linuxHost, "hue-test", async () => {});
    await network.setup("10.200.0.0/24");
    const ip = network.reserve();
    const before = network.isAttached(ip);
    await network.attach("default/test", ip, ${pod.pid});
    console.log(JSON.stringify({ ip, before, after: network.isAttached(ip) }));`;
  const args = [`--net=/run/netns/${namespace}`, process.execPath, "--input-type=module-typescript", "-e", script];
  try {
    expect(JSON.parse(await machine("nsenter", ...args))).toEqual({ ip: "10.200.0.2", before: false, after: true });
  } finally {
    pod.kill();
    await once(pod, "exit");
  }
});
