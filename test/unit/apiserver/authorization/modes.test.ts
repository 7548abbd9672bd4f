import { describe, expect, test } from "vitest";
import type { RequestAttributes, UserInfo } from "../../../../src/api/user.ts";
import { Pods } from "../../../../src/api/types/resources.ts";
import type { AdmissionRequest } from "../../../../src/apiserver/admission/admission.ts";
import { AwaitedAnswers } from "../../../../src/apiserver/admission/awaited-answers.ts";
import { abacAuthorizer } from "../../../../src/apiserver/authorization/abac.ts";
import { alwaysAllow, alwaysDeny } from "../../../../src/apiserver/authorization/always.ts";
import { type Authorizer, createAuthorization, type Decision } from "../../../../src/apiserver/authorization/index.ts";
import { MemoryObjects } from "../memory-objects.ts";

const joe: UserInfo = { name: "joe", groups: ["dev", "system:authenticated"] };

/** "get pods ns" or "get /healthz". */
function ask(user: UserInfo, text: string, group = ""): RequestAttributes {
  const [verb = "", what = "", namespace = ""] = text.split(" ");
  const isResource = !what.startsWith("/");
  const where = isResource ? { path: "", resource: what } : { path: what, resource: "" };
  return { user, verb, isResource, group, version: "v1", subresource: "", namespace, name: "", ...where };
}

describe("ABAC", () => {
  const line = (spec: object): string => JSON.stringify({ apiVersion: "abac.authorization.kubernetes.io/v1beta1", kind: "Policy", spec });
  const allowed = (file: string, attributes: RequestAttributes): boolean => {
    const decision = abacAuthorizer(file).authorize(attributes);
    return "verdict" in decision && decision.verdict === "allow";
  };

  test.each([
    [{ user: "joe", namespace: "*", resource: "*", apiGroup: "*" }, "delete pods ns", true],
    [{ user: "joe", namespace: "ns", resource: "pods", readonly: true }, "list pods ns", true],
    [{ user: "joe", namespace: "ns", resource: "pods", readonly: true }, "create pods ns", false],
    [{ user: "joe", namespace: "other", resource: "pods" }, "list pods ns", false],
    [{ user: "jim", namespace: "*", resource: "*" }, "list pods ns", false],
    [{ group: "dev", namespace: "ns", resource: "pods" }, "list pods ns", true],
    [{ user: "joe", group: "ops", namespace: "ns", resource: "pods" }, "list pods ns", false],
    [{ user: "*", namespace: "ns", resource: "pods" }, "list pods ns", true],
    [{ namespace: "ns", resource: "pods" }, "list pods ns", false],
    [{ user: "joe", nonResourcePath: "/logs/*" }, "get /logs/x", true],
    [{ user: "joe", nonResourcePath: "/logs/*" }, "get /metrics", false],
    [{ user: "joe", namespace: "*", resource: "*", apiGroup: "*" }, "get /metrics", false],
  ])("%j: %s is %s", (spec, text, expected) => {
    expect(allowed(`# a comment\n\n${line(spec)}\n`, ask(joe, text))).toBe(expected);
  });

  test("a policy is for its API group", () => {
    const file = line({ user: "joe", namespace: "*", resource: "deployments", apiGroup: "apps" });
    expect(allowed(file, ask(joe, "list deployments ns", "apps"))).toBe(true);
    expect(allowed(file, ask(joe, "list deployments ns", "extensions"))).toBe(false);
  });

  test("lines without a version are read as they were", () => {
    expect(allowed('{"user":"joe","readonly":true}', ask(joe, "list pods ns"))).toBe(true);
    expect(allowed('{"user":"joe","readonly":true}', ask(joe, "get /metrics"))).toBe(true);
    expect(allowed('{"user":"joe","readonly":true}', ask(joe, "create pods ns"))).toBe(false);
  });

  test("a wrong line is named", () => {
    expect(() => abacAuthorizer(`${line({ user: "a" })}\n${line({ users: "b" })}`)).toThrow('line 2: unknown field "spec.users"');
    expect(() => abacAuthorizer("{")).toThrow(/^line 1: /);
    expect(() => abacAuthorizer('{"apiVersion":"v1","kind":"Policy"}')).toThrow("line 1: expected abac");
  });

  test("tells a user what he may do", () => {
    const authorization = createAuthorization(new MemoryObjects(), [
      abacAuthorizer(line({ user: "joe", namespace: "ns", resource: "pods", readonly: true })),
    ]);
    const { resourceRules, incomplete } = authorization.reviewOwnRules(joe, "ns");
    expect(resourceRules).toEqual([{ verbs: ["get", "list", "watch"], apiGroups: [""], resources: ["pods"] }]);
    expect(incomplete).toBe(false);
  });
});

test("AlwaysAllow and AlwaysDeny do as they say; administrators may everything in any mode", () => {
  const objects = new MemoryObjects();
  const admin: UserInfo = { name: "root", groups: ["system:masters"] };
  expect(createAuthorization(objects, [alwaysAllow]).isAllowed(ask(joe, "delete nodes"))).toBe(true);
  const denying = createAuthorization(objects, [alwaysDeny]);
  expect(denying.isAllowed(ask(joe, "get pods ns"))).toBe(false);
  expect(() => denying.check(ask(joe, "get pods ns"))).toThrow("Everything is forbidden.");
  expect(denying.isAllowed(ask(admin, "get pods ns"))).toBe(true);
});

describe("an authoriser that has to wait", () => {
  const slow = (verdict: Decision["verdict"], reason = ""): Authorizer => ({ name: "slow", authorize: async () => ({ verdict, reason }) });

  test("is not asked when one before it decides, and then nothing waits", () => {
    const authorization = createAuthorization(new MemoryObjects(), [alwaysAllow, slow("deny")]);
    expect(authorization.isAllowed(ask(joe, "get pods"))).toBe(true);
  });

  test("decides, or lets the next one decide", async () => {
    const objects = new MemoryObjects();
    const outcome = (...chain: Authorizer[]) => createAuthorization(objects, chain).isAllowed(ask(joe, "get pods"));
    expect(await outcome(slow("allow"), alwaysDeny)).toBe(true);
    expect(await outcome(slow("deny"), alwaysAllow)).toBe(false);
    expect(await outcome(slow("no-opinion"), alwaysAllow)).toBe(true);
    const authorization = createAuthorization(objects, [slow("no-opinion", "not mine"), alwaysDeny]);
    await expect(authorization.check(ask(joe, "get pods"))).rejects.toThrow("not mine\nEverything is forbidden.");
  });

  test("is waited for by what cannot wait itself: the step runs again with the answer", async () => {
    const answers = new AwaitedAnswers(createAuthorization(new MemoryObjects(), [slow("allow", "by webhook")]));
    let runs = 0;
    const seen: unknown[] = [];
    const plugin = answers.completing({
      name: "Policy",
      validate(request) {
        runs++;
        seen.push(answers.authorize(ask(request.user, "get pods"), request), answers.authorize(ask(request.user, "list pods"), request));
      },
    });
    const request: AdmissionRequest = {
      ...{ operation: "CREATE", resource: Pods, subresource: "", namespace: "ns", name: "p", object: undefined, old: undefined },
      ...{ user: joe, dryRun: false, warn: () => {}, onFailure: () => {} },
    };
    await plugin.validate?.(request);
    expect(seen.slice(-2)).toEqual([
      { allowed: true, reason: "by webhook" },
      { allowed: true, reason: "by webhook" },
    ]);
    expect(runs).toBe(3);
  });
});
