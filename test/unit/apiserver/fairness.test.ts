import { request as httpsRequest } from "node:https";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { defaultConfiguration } from "../../../src/api/flowcontrol/default-configuration.ts";
import type { UserInfo } from "../../../src/api/user.ts";
import type { FlowSchema, PriorityLevelConfiguration } from "../../../src/api/types/flowcontrol.v1.ts";
import { FlowSchemas, PriorityLevelConfigurations } from "../../../src/api/types/resources.ts";
import { Fairness } from "../../../src/apiserver/fairness/fairness.ts";
import { distinguisherOf, matches } from "../../../src/apiserver/fairness/flow-schema.ts";
import type { Arrival, Seat } from "../../../src/apiserver/fairness/gate.ts";
import { dealHand } from "../../../src/apiserver/fairness/queues.ts";
import { adjustedLimits, boundsOf } from "../../../src/apiserver/fairness/shares.ts";
import { parseRequestPath } from "../../../src/apiserver/request-path.ts";
import { FakeClock } from "../../../src/lib/clock.ts";
import { MemoryObjects } from "./memory-objects.ts";
import { configMap, type RunningServer, startServer } from "./running-server.ts";

const user = (name: string, ...groups: string[]): UserInfo => ({ name, groups: [...groups, "system:authenticated"] });
const schemas = defaultConfiguration(FlowSchemas);
const levels = defaultConfiguration(PriorityLevelConfigurations);

function schemaOf(method: string, path: string, sender: UserInfo): string | undefined {
  const parsed = parseRequestPath(method, path, new URLSearchParams());
  return schemas
    .toSorted((a, b) => (a.spec.matchingPrecedence ?? 0) - (b.spec.matchingPrecedence ?? 0))
    .find((schema) => matches(schema, parsed, sender))?.metadata.name;
}

describe("a request belongs to", () => {
  test.each([
    ["GET", "/api/v1/pods", user("admin", "system:masters"), "exempt"],
    ["GET", "/healthz", user("alice"), "probes"],
    ["GET", "/version", user("alice"), "global-default"],
    ["GET", "/api/v1/namespaces/default/pods", user("alice"), "global-default"],
    ["PATCH", "/api/v1/nodes/a/status", user("system:node:a", "system:nodes"), "system-node-high"],
    ["PUT", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/a", user("system:node:a", "system:nodes"), "system-node-high"],
    ["GET", "/api/v1/namespaces/x/secrets/a", user("system:node:a", "system:nodes"), "system-nodes"],
    ["GET", "/api/v1/pods", user("system:serviceaccount:kube-system:dns"), "kube-system-service-accounts"],
    ["GET", "/api/v1/pods", user("system:serviceaccount:kube-systems:dns", "system:serviceaccounts"), "service-accounts"],
    [
      "PUT",
      "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/a",
      user("system:serviceaccount:kube-system:dns"),
      "system-leader-election",
    ],
  ])("%s %s", (method, path, sender, expected) => {
    expect(schemaOf(method, path, sender)).toBe(expected);
  });
});

test("a schema tells its flows apart by user, or by namespace", () => {
  const path = parseRequestPath("GET", "/api/v1/namespaces/x/pods", new URLSearchParams());
  const named = (name: string): FlowSchema => schemas.find(({ metadata }) => metadata.name === name) as FlowSchema; // There it is.
  expect(distinguisherOf(named("global-default"), path, user("alice"))).toBe("alice");
  expect(distinguisherOf(named("kube-scheduler"), path, user("alice"))).toBe("x");
  expect(distinguisherOf(named("exempt"), path, user("alice"))).toBe("");
});

describe("seats", () => {
  test("are shared out as upstream's metrics tell of a server with 600", () => {
    const names = levels.map(({ metadata }) => metadata.name);
    const bounds = boundsOf(levels, 600);
    expect(Object.fromEntries(names.map((name, i) => [name, [bounds[i]?.nominal, bounds[i]?.min]]))).toEqual({
      "catch-all": [13, 13],
      exempt: [0, 0],
      "global-default": [49, 24],
      "leader-election": [25, 25],
      "node-high": [98, 73],
      system: [74, 50],
      "workload-high": [98, 49],
      "workload-low": [245, 24],
    });
  });

  test("are lent to who needs them, and come back when they are wanted", () => {
    const claim = { isExempt: false, nominal: 50, min: 20, max: 100, highWatermark: 0, smoothed: 0 };
    const busy = { ...claim, highWatermark: 80, smoothed: 80 };
    expect(adjustedLimits([claim, claim])).toEqual([50, 50]);
    expect(adjustedLimits([claim, busy])).toEqual([20, 80]);
    expect(adjustedLimits([busy, busy])).toEqual([50, 50]);
    expect(adjustedLimits([{ ...claim, min: 50 }, busy])).toEqual([50, 50]);
  });
});

test("a hand has different queues, the same for the same flow", () => {
  const hand = dealHand("global-default,alice", 128, 6);
  expect(new Set(hand).size).toBe(6);
  expect(hand.every((queue) => queue >= 0 && queue < 128)).toBe(true);
  expect(dealHand("global-default,alice", 128, 6)).toEqual(hand);
  expect(dealHand("global-default,bob", 128, 6)).not.toEqual(hand);
  expect(dealHand("x", 4, 4).toSorted()).toEqual([0, 1, 2, 3]);
});

interface World {
  clock: FakeClock;
  gate: Fairness;
  enter(name: string, options?: Partial<Arrival>): Seat | Promise<Seat>;
}

/** A gate with few seats: two for everybody, one of them for global-default; queues are two requests long. */
function world(width = 1): World {
  const clock = new FakeClock();
  const level = (name: string, shares: number, queuing?: object): PriorityLevelConfiguration => ({
    apiVersion: "flowcontrol.apiserver.k8s.io/v1",
    kind: "PriorityLevelConfiguration",
    metadata: { name, uid: `uid-${name}` } as PriorityLevelConfiguration["metadata"],
    spec: {
      type: "Limited",
      limited: {
        nominalConcurrencyShares: shares,
        limitResponse: queuing ? { type: "Queue", queuing } : { type: "Reject" },
      },
    },
    status: {},
  });
  const objects = new MemoryObjects();
  for (const one of [level("catch-all", 0), level("global-default", 1, { queues: 8, handSize: 2, queueLengthLimit: 2 })])
    objects.put(PriorityLevelConfigurations, one);
  for (const name of ["catch-all", "global-default", "exempt"])
    for (const schema of schemas) if (schema.metadata.name === name) objects.put(FlowSchemas, schema);
  const gate = new Fairness({ objects, clock, seats: 1, work: () => width });
  return {
    clock,
    gate,
    enter: (name, options = {}) =>
      gate.enter({
        path: parseRequestPath("POST", "/api/v1/namespaces/x/configmaps", new URLSearchParams()),
        query: new URLSearchParams(),
        user: user(name, ...(name === "admin" ? ["system:masters"] : [])),
        onGone() {},
        headers() {},
        ...options,
      }),
  };
}

const seated = (entered: Seat | Promise<Seat>): Seat => {
  if (entered instanceof Promise) throw new Error("has to wait");
  return entered;
};

describe("when all seats are taken", () => {
  test("requests wait, and those of other users come between", async () => {
    const { enter } = world();
    const first = seated(enter("alice"));
    const order: string[] = [];
    const go = async (name: string): Promise<void> => {
      const seat = await enter(name);
      order.push(name);
      await Promise.resolve();
      seat.leave();
    };
    const all = [go("alice"), go("alice"), go("alice"), go("bob")];
    expect(order).toEqual([]);
    first.leave();
    await Promise.all(all);
    expect(order.slice(0, 3)).toContain("bob");
    expect(order).toHaveLength(4);
  });

  test("full queues refuse, and tell to come again later the more often they have to", () => {
    const { enter, clock } = world();
    enter("alice");
    for (let i = 0; i < 4; i++) expect(enter("alice")).toBeInstanceOf(Promise);
    const refused = (): unknown => {
      try {
        return enter("alice");
      } catch (error) {
        return error;
      }
    };
    expect(refused()).toMatchObject({ code: 429, status: { details: { retryAfterSeconds: 1 } } });
    for (let i = 0; i < 5; i++) refused();
    clock.advance(1000);
    expect(refused()).toMatchObject({ status: { details: { retryAfterSeconds: 2 } } });
    expect(enter("bob")).toBeInstanceOf(Promise);
  });

  test("nobody waits longer than a quarter of his timeout, or for a client that has gone", async () => {
    const { enter, clock, gate } = world();
    seated(enter("alice"));
    const waiting = enter("alice");
    const short = enter("bob", { query: new URLSearchParams("timeout=8s") });
    let gone = (): void => {};
    const left = enter("carol", { onGone: (call) => void (gone = call) });
    const outcome = Promise.allSettled([waiting, short, left]);
    clock.advance(2000);
    expect(metric(gate, "current_inqueue_requests", "global-default")).toBe(2);
    gone();
    expect(metric(gate, "current_inqueue_requests", "global-default")).toBe(1);
    clock.advance(13_000);
    expect((await outcome).map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    expect(metric(gate, "current_inqueue_requests", "global-default")).toBe(0);
    const rejected = gate.metrics().join("");
    expect(rejected).toContain('rejected_requests_total{flow_schema="global-default",priority_level="global-default",reason="time-out"} 2');
    expect(rejected).toContain('reason="cancelled"} 1');
  });

  test("administrators are served", () => {
    const { enter } = world();
    seated(enter("alice"));
    for (let i = 0; i < 10; i++) seated(enter("admin"));
  });

  test("a request that is wider than the level has goes alone", async () => {
    const { enter } = world(100);
    const first = seated(enter("alice"));
    const second = enter("bob");
    first.leave();
    (await second).leave();
    seated(enter("carol")).leave();
  });
});

function metric(gate: Fairness, name: string, level: string): number {
  const line = new RegExp(`^apiserver_flowcontrol_${name}\\{.*priority_level="${level}"\\} (\\S+)$`, "m").exec(gate.metrics().join(""));
  return Number(line?.[1]);
}

describe("a server", () => {
  let running: RunningServer;
  beforeAll(async () => {
    running = await startServer({ limits: { readOnly: 40, mutating: 20, fairness: true } });
    for (const one of levels) await running.client.create(PriorityLevelConfigurations, structuredClone(one));
    for (const one of schemas) await running.client.create(FlowSchemas, structuredClone(one));
    const role = { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata: { name: "maps" } };
    const rules = [{ verbs: ["*"], apiGroups: [""], resources: ["configmaps"] }];
    expect((await running.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", { ...role, rules })).code).toBe(201);
    for (const name of ["alice", "bob"])
      await running.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRoleBinding",
        metadata: { name },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "maps" },
        subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name }],
      });
    const text = "x".repeat(100_000);
    for (let i = 0; i < 60; i++) await running.request("POST", "/api/v1/namespaces/default/configmaps", configMap(`big-${i}`, { text }));
  });
  afterAll(() => running.stop());

  test("tells which schema and level a request belongs to", async () => {
    const { headers } = await running.request("GET", "/version", undefined, { "impersonate-user": "noxu" });
    const schema = await running.client.get(FlowSchemas, { name: "global-default" });
    const level = await running.client.get(PriorityLevelConfigurations, { name: "global-default" });
    expect(headers.get("x-kubernetes-pf-flowschema-uid")).toBe(schema.metadata.uid);
    expect(headers.get("x-kubernetes-pf-prioritylevel-uid")).toBe(level.metadata.uid);
  });

  test("stays quick for others while one user floods it with lists that he does not read, some of which it refuses", async () => {
    const codes: number[] = [];
    const flood = Array.from({ length: 400 }, () => slowList(running.url, (code) => codes.push(code)));
    await expect.poll(() => codes.filter((code) => code === 429).length, { timeout: 20_000 }).toBeGreaterThan(0);
    for (let i = 0; i < 20; i++) {
      const begun = performance.now();
      const path = "/api/v1/namespaces/default/configmaps";
      expect((await running.request("POST", path, configMap(`quick-${i}`), { authorization: "Bearer admin" })).code).toBe(201);
      expect(performance.now() - begun).toBeLessThan(2000);
    }
    const dump = await running.request("GET", "/debug/api_priority_and_fairness/dump_priority_levels");
    expect(dump.text).toMatch(/^global-default, +[1-9]/m);
    for (const stop of flood) stop();
    await expect
      .poll(async () => (await running.request("GET", "/api/v1/namespaces/default/configmaps/big-1", undefined, asAlice)).code, {
        timeout: 20_000,
      })
      .toBe(200);
  });
});

const asAlice = { authorization: "Bearer alice" };

/** Asks for a list and leaves most of it unread; returns how to go away. */
function slowList(url: string, answered: (code: number) => void): () => void {
  const request = httpsRequest(`${url}/api/v1/configmaps`, { headers: asAlice, rejectUnauthorized: false, agent: false }, (response) => {
    answered(response.statusCode ?? 0);
    response.pause();
    response.on("error", () => {});
  });
  request.on("error", () => {}).end();
  return () => void request.destroy();
}
