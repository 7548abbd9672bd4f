import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { cgroupStats } from "../../../src/kubelet/runtime/docker/cgroup-stats.ts";

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hue-test-cgroups-"));
});

afterEach(() => rm(root, { recursive: true }));

const netDev = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       9       9    9    0    0     0          0         0        9       9    9    0    0     0       0          0
  eth0:    2608      32    1    0    0     0          0         0      796      10    2    0    0     0       0          0
`;

async function stats(files: Record<string, string>) {
  for (const [path, text] of Object.entries({ "proc/7/net/dev": netDev, ...files })) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return cgroupStats(7, "abc", 5, { proc: join(root, "proc"), cgroup: join(root, "cgroup") });
}

const expected = {
  at: 5,
  cpuNanoseconds: 3000,
  memoryUsageBytes: 1000,
  memoryWorkingSetBytes: 900,
  memoryRssBytes: 500,
  pageFaults: 11,
  majorPageFaults: 2,
  network: { rxBytes: 2608, rxErrors: 1, txBytes: 796, txErrors: 2 },
};

test("a container's usage by cgroup v1", async () => {
  const memory = "cgroup/memory/docker/abc";
  expect(
    await stats({
      "proc/7/cgroup": "4:memory:/docker/abc\n2:cpuacct:/docker/abc\n0::/docker/abc\n",
      "cgroup/cpuacct/docker/abc/cpuacct.usage": "3000\n",
      [`${memory}/memory.usage_in_bytes`]: "1000\n",
      [`${memory}/memory.stat`]: "total_rss 500\ntotal_inactive_file 100\ntotal_pgfault 11\ntotal_pgmajfault 2\n",
    }),
  ).toEqual(expected);
});

test("a container's usage by cgroup v2", async () => {
  const scope = "cgroup/system.slice/docker-abc.scope";
  expect(
    await stats({
      "proc/7/cgroup": "0::/system.slice/docker-abc.scope\n",
      [`${scope}/cpu.stat`]: "usage_usec 3\nuser_usec 2\n",
      [`${scope}/memory.current`]: "1000\n",
      [`${scope}/memory.stat`]: "anon 500\ninactive_file 100\npgfault 11\npgmajfault 2\n",
    }),
  ).toEqual(expected);
});

test("a process that is not the container's says nothing of it", async () => {
  expect(await stats({ "proc/7/cgroup": "0::/user.slice\n" })).toBeUndefined();
});
