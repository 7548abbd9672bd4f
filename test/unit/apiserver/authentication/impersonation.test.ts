import type { IncomingHttpHeaders } from "node:http";
import { describe, expect, test } from "vitest";
import { forbidden } from "../../../../src/api/errors.ts";
import type { RequestAttributes, UserInfo } from "../../../../src/api/user.ts";
import { Impersonation } from "../../../../src/apiserver/authentication/index.ts";

const boss: UserInfo = { name: "boss", groups: [] };

/** Who comes of a request to list pods with these headers, for a sender who holds these rights ("verb group/resource/sub namespace/name"). */
async function become(
  headers: IncomingHttpHeaders,
  rights: readonly string[],
  sender = boss,
): Promise<{ user: UserInfo; asked: string[] }> {
  const asked: string[] = [];
  const impersonation = new Impersonation({
    check({ verb, group, resource, subresource, namespace, name }) {
      const what = [group, resource, subresource].filter(Boolean).join("/");
      const right = `${verb} ${what} ${[namespace, name].filter(Boolean).join("/")}`.trim();
      asked.push(right);
      if (!rights.includes(right)) throw forbidden({ group, kind: resource }, `cannot ${right}`);
    },
  });
  const attributes: RequestAttributes = {
    ...{ user: sender, verb: "list", isResource: true, path: "", group: "", version: "v1" },
    ...{ resource: "pods", subresource: "", namespace: "", name: "" },
  };
  return { user: await impersonation.userOf(attributes, headers), asked };
}

describe("with the verb impersonate", () => {
  const everything = {
    "impersonate-user": "jane",
    "impersonate-group": "dev, ops",
    "impersonate-uid": "7",
    "impersonate-extra-example.com%2fscope": "a, b",
  };
  const rights = [
    "impersonate users jane",
    "impersonate groups dev",
    "impersonate groups ops",
    "impersonate authentication.k8s.io/uids 7",
    "impersonate authentication.k8s.io/userextras/example.com/scope a",
    "impersonate authentication.k8s.io/userextras/example.com/scope b",
  ];

  test("user, groups, uid and extra can be taken, each with its right", async () => {
    expect((await become(everything, rights)).user).toEqual({
      name: "jane",
      uid: "7",
      groups: ["dev", "ops", "system:authenticated"],
      extra: { "example.com/scope": ["a", "b"] },
    });
  });

  test.each(rights)("not without: %s", async (right) => {
    const others = rights.filter((one) => one !== right);
    await expect(become(everything, others)).rejects.toMatchObject({ code: 403 });
  });

  test("a service account has its groups, the anonymous user his own", async () => {
    const account = await become({ "impersonate-user": "system:serviceaccount:ns:bot" }, ["impersonate serviceaccounts ns/bot"]);
    expect(account.user.groups).toEqual(["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"]);
    const nobody = await become({ "impersonate-user": "system:anonymous" }, ["impersonate users system:anonymous"]);
    expect(nobody.user.groups).toEqual(["system:unauthenticated"]);
  });

  test("groups without a user are refused", async () => {
    await expect(become({ "impersonate-group": "dev" }, [])).rejects.toMatchObject({ code: 400 });
  });
});

describe("constrained", () => {
  test("a user may be another only for the requests that are named", async () => {
    const { user } = await become({ "impersonate-user": "jane", "impersonate-group": "dev" }, [
      "impersonate-on:user-info:list pods",
      "impersonate:user-info authentication.k8s.io/users jane",
      "impersonate:user-info authentication.k8s.io/groups dev",
    ]);
    expect(user).toEqual({ name: "jane", groups: ["dev", "system:authenticated"] });
    const other = ["impersonate-on:user-info:get pods", "impersonate:user-info authentication.k8s.io/users jane"];
    await expect(become({ "impersonate-user": "jane" }, other)).rejects.toThrow("cannot impersonate-on:user-info:list pods");
  });

  test("nobody becomes system:masters that way", async () => {
    const rights = ["impersonate-on:user-info:list pods", "impersonate:user-info authentication.k8s.io/users jane"];
    await expect(become({ "impersonate-user": "jane", "impersonate-group": "system:masters" }, rights)).rejects.toThrow(
      "impersonating the system:masters group is not allowed",
    );
  });

  test("a service account and a node have the groups of their kind", async () => {
    const account = await become({ "impersonate-user": "system:serviceaccount:ns:bot" }, [
      "impersonate-on:serviceaccount:list pods",
      "impersonate:serviceaccount authentication.k8s.io/serviceaccounts ns/bot",
    ]);
    expect(account.user.groups).toEqual(["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"]);
    const node = await become({ "impersonate-user": "system:node:n1" }, [
      "impersonate-on:arbitrary-node:list pods",
      "impersonate:arbitrary-node authentication.k8s.io/nodes n1",
    ]);
    expect(node.user.groups).toEqual(["system:nodes", "system:authenticated"]);
  });

  test("an agent on every node may be the node that its own pod is on, and no other", async () => {
    const agent = {
      name: "system:serviceaccount:kube-system:agent",
      groups: [],
      extra: { "authentication.kubernetes.io/node-name": ["n1"] },
    };
    const rights = ["impersonate-on:associated-node:list pods", "impersonate:associated-node authentication.k8s.io/nodes *"];
    expect((await become({ "impersonate-user": "system:node:n1" }, rights, agent)).user.name).toBe("system:node:n1");
    await expect(become({ "impersonate-user": "system:node:n2" }, rights, agent)).rejects.toMatchObject({ code: 403 });
  });
});

test("the way that worked last is tried first", async () => {
  const checks: string[] = [];
  const impersonation = new Impersonation({
    check({ verb }) {
      checks.push(verb);
      if (verb !== "impersonate") throw forbidden({ kind: "pods" }, "no");
    },
  });
  const attributes: RequestAttributes = {
    ...{ user: boss, verb: "list", isResource: true, path: "", group: "", version: "v1" },
    ...{ resource: "pods", subresource: "", namespace: "", name: "" },
  };
  await impersonation.userOf(attributes, { "impersonate-user": "jane" });
  await impersonation.userOf(attributes, { "impersonate-user": "jane" });
  expect(checks).toEqual(["impersonate-on:user-info:list", "impersonate", "impersonate"]);
});
