import { describe } from "vitest";
import { containersOfPod } from "../support/machine.ts";
import { forever, shell } from "../support/manifests.ts";
import { test } from "../support/shared-cluster.ts";

const factorial = "n=1; for i in 1 2 3 4 5; do n=$((n * i)); done; echo $n";
const podNames = "jsonpath={range .items[*]}{.metadata.name}{'\\n'}{end}";
const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

function job(name: string, script: string, options: { spec?: object; pod?: object } = {}): object {
  const template = {
    spec: { terminationGracePeriodSeconds: 1, restartPolicy: "Never", containers: [shell(name, script)], ...options.pod },
  };
  return { apiVersion: "batch/v1", kind: "Job", metadata: { name }, spec: { template, ...options.spec } };
}

const cronDemo = {
  apiVersion: "batch/v1",
  kind: "CronJob",
  metadata: { name: "cron-demo" },
  spec: {
    schedule: "*/1 * * * *",
    jobTemplate: {
      spec: {
        template: {
          metadata: { labels: { "cronjob-name": "cron-demo" } },
          spec: { terminationGracePeriodSeconds: 1, restartPolicy: "OnFailure", containers: [shell("cron-demo", 'date "+%H:%M stretch"')] },
        },
      },
    },
  },
};

// What takes time here is the clock and back-off, not the machine.
describe.concurrent("jobs", () => {
  test("AT-28 AT-29 a CronJob keeps its three newest Jobs, makes none while suspended, then one a minute; all go with it", async ({
    kubectl,
    expect,
  }) => {
    const jobs = ["get", "jobs", "-o", podNames];
    await kubectl.apply(cronDemo);
    const [head, row] = lines(await kubectl("get", "cj"));
    expect(head?.split(/\s{2,}/)).toEqual(["NAME", "SCHEDULE", "TIMEZONE", "SUSPEND", "ACTIVE", "LAST SCHEDULE", "AGE"]);
    expect(row).toMatch(/^cron-demo\s+\*\/1 \* \* \* \*\s+<none>\s+False\s+[01]\s+(<none>|\d+s)\s+\d+s$/);
    expect(await kubectl("patch", "cronjob", "cron-demo", "-p", '{"spec":{"suspend":true}}')).toBe("cronjob.batch/cron-demo patched\n");
    expect(lines(await kubectl("get", "cj", "--no-headers"))[0]).toMatch(/\s+True\s/);
    const byClock = async (): Promise<string[]> => lines(await kubectl(...jobs)).filter((n) => /^cron-demo-\d+$/.test(n));
    const before = await byClock();
    const minute = Math.floor(Date.now() / 60_000) + 1;
    for (const name of ["hand-1", "hand-2", "hand-3", "hand-4"]) {
      expect(await kubectl("create", "job", name, "--from=cronjob/cron-demo")).toBe(`job.batch/${name} created\n`);
      await kubectl("wait", "--for=condition=Complete", `job/${name}`, "--timeout=60s");
    }
    await kubectl.until(jobs, (out) => lines(out).filter((n) => n.startsWith("hand-")).length <= 3 && !out.includes("hand-1"), 30);
    // A full minute passes while it is suspended.
    await expect.poll(() => Date.now() >= minute * 60_000 + 1500, { timeout: 65_000 }).toBe(true);
    expect((await byClock()).filter((n) => !before.includes(n))).toEqual([]);
    await kubectl("patch", "cronjob", "cron-demo", "-p", '{"spec":{"suspend":false}}');
    // The missed minute is made up for: it is the last that was due.
    const due = (out: string): string | undefined => lines(out).find((n) => Number(/^cron-demo-(\d+)$/.exec(n)?.[1]) >= minute);
    const name = due(await kubectl.until(jobs, (out) => due(out) !== undefined, 70)) ?? "";
    await kubectl("wait", "--for=condition=Complete", `job/${name}`, "--timeout=60s");
    const pods = lines(await kubectl("get", "pods", "-l", `cronjob-name=cron-demo,job-name=${name}`, "-o", podNames));
    expect(pods).toHaveLength(1);
    expect(pods[0]).toMatch(new RegExp(`^${name}-[a-z0-9]{5}$`));
    expect(await kubectl("logs", `job/${name}`)).toMatch(/^\d\d:\d\d stretch\n$/);
    await kubectl.until(
      ["get", "cj", "cron-demo", "-o", "jsonpath={.status.lastScheduleTime}"],
      (out) => Date.parse(out) / 60_000 >= minute,
    );
    await kubectl("patch", "cronjob", "cron-demo", "-p", '{"spec":{"suspend":true}}');
    const deleted = lines(await kubectl("delete", "job", "-l", "cronjob-name=cron-demo"));
    expect(deleted.every((line) => /^job.batch "[^"]+" deleted/.test(line))).toBe(true);
    await kubectl("create", "job", "last", "--from=cronjob/cron-demo");
    expect(await kubectl("delete", "cronjob", "cron-demo")).toContain('cronjob.batch "cron-demo" deleted');
    await kubectl.until(["get", "jobs,pods", "-o", "name"], (left) => left === "", 40);
  });

  test("AT-23 AT-27 a Job runs to its end, is listed, its pod's log is kept, and goes with it", async ({ kubectl, expect }) => {
    expect(await kubectl.create(job("factorial5", factorial))).toBe("job.batch/factorial5 created\n");
    await kubectl("wait", "--for=condition=Complete", "job/factorial5", "--timeout=60s");
    const [head, row] = lines(await kubectl("get", "jobs"));
    expect(head?.split(/\s+/)).toEqual(["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"]);
    expect(row).toMatch(/^factorial5\s+Complete\s+1\/1\s+\d+s\s+\d+s$/);
    const [, pod = ""] = lines(await kubectl("get", "po", "-l", "job-name=factorial5"));
    expect(pod).toMatch(/^factorial5-[a-z0-9]{5}\s+0\/1\s+Completed\s+0\s/);
    const name = pod.split(" ")[0] ?? "";
    expect(await kubectl("logs", name)).toBe("120\n");
    const uid = await kubectl("get", "pod", name, "-o", "jsonpath={.metadata.uid}");
    expect(await containersOfPod(uid)).not.toEqual([]);
    expect(await kubectl("delete", "job", "factorial5")).toContain('job.batch "factorial5" deleted');
    await kubectl.until(["get", "pods", "-o", "name"], (out) => out === "", 30);
    await expect.poll(() => containersOfPod(uid), { timeout: 20_000 }).toEqual([]);
  });

  test("AT-24 a Job whose pods would always restart is refused", async ({ kubectl, expect }) => {
    for (const pod of [{ restartPolicy: "Always" }, { restartPolicy: undefined }]) {
      const refused = await kubectl.run(["create", "-f", "-"], JSON.stringify(job("wrong", "true", { pod })));
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain(
        'The Job "wrong" is invalid: spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
      );
    }
  });

  test("AT-25 three completions at a parallelism of six make exactly three pods", async ({ kubectl, expect }) => {
    await kubectl.apply(job("sleep3", "sleep 3", { spec: { completions: 3, parallelism: 6 } }));
    await kubectl.until(["get", "job", "sleep3", "-o", "jsonpath={.status.active}"], (out) => out === "3", 20);
    await kubectl("wait", "--for=condition=Complete", "job/sleep3", "--timeout=60s");
    const pods = lines(await kubectl("get", "pods", "--no-headers"));
    expect(pods.map((p) => p.split(/\s+/)[2])).toEqual(["Completed", "Completed", "Completed"]);
    expect(lines(await kubectl("get", "jobs", "--no-headers"))[0]).toMatch(/\s3\/3\s/);
  });

  test("AT-26 a Job's pod that is deleted, and one that fails, are made up for until one succeeds", async ({ kubectl, expect }) => {
    await kubectl.apply(job("deleted", forever));
    const pods = (name: string): string[] => [
      "get",
      "pods",
      "-l",
      `job-name=${name}`,
      "--field-selector=status.phase=Running",
      "-o",
      podNames,
    ];
    const first = lines(await kubectl.until(pods("deleted"), (out) => out !== "", 30))[0] ?? "";
    await kubectl("delete", "pod", first);
    await kubectl.until(pods("deleted"), (out) => lines(out).length === 1 && !out.includes(first), 40);
    await kubectl.apply(job("failing", "exit 3", { spec: { backoffLimit: 1 } }));
    await kubectl("wait", "--for=condition=Failed", "job/failing", "--timeout=90s");
    expect(await kubectl("get", "job", "failing", "-o", 'jsonpath={.status.failed} {.status.conditions[?(@.type=="Failed")].reason}')).toBe(
      "2 BackoffLimitExceeded",
    );
  });
});
