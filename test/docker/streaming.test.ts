import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Kubectl } from "../support/kubectl.ts";
import { fetchText } from "../support/machine.ts";
import { shell, shellPod } from "../support/manifests.ts";
import { newNamespace, removeNamespace, sharedCluster } from "../support/shared-cluster.ts";

const { server, agents } = sharedCluster();
const protocols: [string, Record<string, string>][] = [
  ["WebSocket", {}],
  ["SPDY", { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: "false", KUBECTL_PORT_FORWARD_WEBSOCKETS: "false" }],
];

/** Answers on port 8000 until it is told to end. */
const web = (text: string): string =>
  `echo '${text}' > /www/index.html; httpd -p 8000 -h /www; until [ -e /tmp/end ]; do sleep 0.2; done; echo ended`;

let shared: Kubectl;
const folder = mkdtempSync(join(tmpdir(), "hue-test-"));
beforeAll(async () => {
  shared = await newNamespace();
  const counting = "i=0; while :; do i=$((i + 1)); echo line $i; sleep 0.2; done";
  const reading = { stdin: true, stdinOnce: false, tty: false };
  const pod = (name: string, node: string): object =>
    shellPod(name, "", {
      spec: {
        nodeName: node,
        containers: [
          shell("main", counting),
          shell("web", web(`from ${name}`)),
          shell("reader", "while read -r l; do echo got $l; done; sleep 86400", reading),
        ],
      },
    });
  await shared.apply([pod("on-server", server), pod("on-agent", agents[0] ?? "")]);
  await shared("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s");
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await removeNamespace(shared);
});

describe.each(protocols)("over %s", (_, env) => {
  describe.each(["on-server", "on-agent"])("a pod %s", (pod) => {
    test("AT-36 exec passes standard input and output, errors, and the exit code", async () => {
      const kubectl = shared.with(env);
      const result = await kubectl.run(["exec", "-i", pod, "-c", "main", "--", "sh", "-c", "cat; echo oops >&2; exit 7"], "given\n");
      expect(result).toEqual({ code: 7, stdout: "given\n", stderr: "oops\ncommand terminated with exit code 7\n" });
      expect(await kubectl("exec", pod, "-c", "main", "--", "sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x | wc -c")).toBe(
        "3000000\n",
      );
      expect(await kubectl("exec", pod, "-c", "main", "--", "sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x")).toHaveLength(3_000_000);
    });

    test("AT-36 exec ends with its command, also when much of what it was given is left unread", async () => {
      const kubectl = shared.with(env);
      const begin = Date.now();
      expect((await kubectl.run(["exec", "-i", pod, "-c", "main", "--", "head", "-c", "5"], "x".repeat(2_000_000))).stdout).toBe("xxxxx");
      expect((await kubectl.run(["exec", "-i", pod, "-c", "main", "--", "wc", "-c"], "x".repeat(2_000_000))).stdout).toBe("2000000\n");
      expect(Date.now() - begin).toBeLessThan(15_000);
    });

    test("AT-36 attach shows what a container writes, and writes to it", async () => {
      const child = shared.with(env).start("attach", "-i", pod, "-c", "reader");
      let seen = "";
      child.stdout.on("data", (data) => (seen += data));
      try {
        await expect
          .poll(
            () => {
              child.stdin.write("hello\n");
              return seen;
            },
            { timeout: 15_000, interval: 300 },
          )
          .toContain("got hello\n");
      } finally {
        child.kill();
      }
    });

    test("cp takes a file there and back", async () => {
      const kubectl = shared.with(env);
      const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7) % 256));
      writeFileSync(join(folder, "there"), bytes);
      await kubectl("cp", join(folder, "there"), `${pod}:/tmp/there`, "-c", "main");
      await kubectl("cp", `${pod}:/tmp/there`, join(folder, "back"), "-c", "main");
      expect(readFileSync(join(folder, "back")).equals(bytes)).toBe(true);
    });

    test("port-forward opens a port of the pod on this machine, for several calls", async () => {
      const child = shared.with(env).start("port-forward", pod, ":8000");
      let said = "";
      child.stdout.on("data", (data) => (said += data));
      try {
        await expect.poll(() => said, { timeout: 15_000 }).toMatch(/Forwarding from 127\.0\.0\.1:\d+ -> 8000/);
        const port = /127\.0\.0\.1:(\d+)/.exec(said)?.[1];
        const calls = await Promise.all(Array.from({ length: 5 }, () => fetchText(`http://127.0.0.1:${port}/`)));
        expect(calls).toEqual(Array(5).fill({ status: 200, text: `from ${pod}\n` }));
      } finally {
        child.kill();
      }
    });
  });
});

test("port-forward to a Service and to a Deployment's pod finds a pod by itself", async () => {
  await shared("expose", "pod", "on-agent", "--name=web", "--port=80", "--target-port=8000");
  const child = shared.start("port-forward", "service/web", ":80");
  let said = "";
  child.stdout.on("data", (data) => (said += data));
  try {
    await expect.poll(() => said, { timeout: 15_000 }).toMatch(/Forwarding from/);
    expect(await fetchText(`http://127.0.0.1:${/127\.0\.0\.1:(\d+)/.exec(said)?.[1]}/`)).toEqual({ status: 200, text: "from on-agent\n" });
  } finally {
    child.kill();
  }
});

test.each(["on-server", "on-agent"])(
  "AT-36 logs: the last lines, since, with times, followed, and of the container before (%s)",
  async (pod) => {
    const last = await shared("logs", pod, "-c", "main", "--tail=2");
    expect(last).toMatch(/^line \d+\nline \d+\n$/);
    expect(await shared("logs", pod, "-c", "main", "--tail=1", "--timestamps")).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z line \d+\n$/);
    const recent = (await shared("logs", pod, "-c", "main", "--since=1s")).trim().split("\n").length;
    expect(recent).toBeLessThan(12);
    const child = shared.start("logs", "-f", pod, "-c", "main", "--tail=0");
    let followed = "";
    child.stdout.on("data", (data) => (followed += data));
    try {
      await expect.poll(() => followed.split("\n").length, { timeout: 15_000 }).toBeGreaterThan(4);
    } finally {
      child.kill();
    }
    const wrong = await shared.run(["logs", pod, "-c", "nobody"]);
    expect(wrong.stderr).toContain(`container nobody is not valid for pod ${pod}`);
    await shared.run(["exec", pod, "-c", "web", "--", "sh", "-c", "touch /tmp/end"]);
    await shared.until(
      [
        "get",
        "pod",
        pod,
        "-o",
        "jsonpath={.status.containerStatuses[?(@.name=='web')].restartCount} {.status.containerStatuses[?(@.name=='web')].ready}",
      ],
      (out) => out === "1 true",
      40,
    );
    expect(await shared("logs", "--previous", pod, "-c", "web")).toContain("ended\n");
    const all = await shared("logs", pod, "--all-containers", "--prefix", "--tail=1");
    expect(all).toContain(`[pod/${pod}/main] line`);
  },
);
