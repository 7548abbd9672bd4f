import { beforeEach, describe, expect, test } from "vitest";
import bootstrap from "../../../../src/api/schema/bootstrap.json" with { type: "json" };
import type { KubeObject } from "../../../../src/api/meta/object.ts";
import type { ResourceInfo } from "../../../../src/api/resource.ts";
import type { PolicyRule } from "../../../../src/api/types/rbac.v1.ts";
import {
  ClusterRoleBindings,
  ClusterRoles,
  PersistentVolumeClaims,
  PersistentVolumes,
  Pods,
  RoleBindings,
  Roles,
} from "../../../../src/api/types/resources.ts";
import type { RequestAttributes, UserInfo } from "../../../../src/api/user.ts";
import type { AdmissionRequest } from "../../../../src/apiserver/admission/admission.ts";
import { type Authorization, createAuthorization, type Decision } from "../../../../src/apiserver/authorization/index.ts";
import { MemoryObjects } from "../memory-objects.ts";

let objects: MemoryObjects;
let authorization: Authorization;

beforeEach(() => {
  objects = new MemoryObjects();
  authorization = createAuthorization(objects);
});

const joe: UserInfo = { name: "joe", groups: ["dev", "system:authenticated"] };

/** "get pods/log ns/name": the verb, what, and where; "get /healthz" asks for a path. */
function ask(user: UserInfo, text: string, more: Partial<RequestAttributes> = {}): RequestAttributes {
  const [verb = "", what = "", where = ""] = text.split(" ");
  const base = { user, verb, path: "", group: "", version: "v1", resource: "", subresource: "", namespace: "", name: "" };
  if (what.startsWith("/")) return { ...base, isResource: false, path: what, ...more };
  const [typed = "", subresource = ""] = what.split("/");
  const dot = typed.indexOf(".");
  const [namespace = "", name = ""] = where.includes("/") ? where.split("/") : ["", where];
  const resource = dot < 0 ? typed : typed.slice(0, dot);
  return { ...base, isResource: true, group: dot < 0 ? "" : typed.slice(dot + 1), resource, subresource, namespace, name, ...more };
}

/** The decision, which comes from memory at once. */
function decide(attributes: RequestAttributes): Decision {
  const decision = authorization.authorize(attributes);
  if (decision instanceof Promise) throw new Error("it had to wait");
  return decision;
}

const allows = (user: UserInfo, text: string, more?: Partial<RequestAttributes>) => decide(ask(user, text, more)).verdict === "allow";
const clusterRole = (name: string, ...rules: PolicyRule[]) => objects.put(ClusterRoles, { metadata: { name }, rules });
const bindCluster = (role: string, subject: object, name = role) =>
  objects.put(ClusterRoleBindings, { metadata: { name }, roleRef: { kind: "ClusterRole", name: role }, subjects: [subject] });
const bind = (namespace: string, kind: string, role: string, subject: object) =>
  objects.put(RoleBindings, { metadata: { namespace, name: role }, roleRef: { kind, name: role }, subjects: [subject] });

describe("RBAC", () => {
  const rule = (verbs: string, apiGroups: string, resources: string, resourceNames?: string[]): PolicyRule => ({
    verbs: verbs.split(","),
    apiGroups: apiGroups.split(","),
    resources: resources.split(","),
    ...(resourceNames ? { resourceNames } : {}),
  });

  test.each([
    {
      rules: [rule("get,list", "", "pods")],
      yes: ["get pods ns/x", "list pods ns/"],
      no: ["delete pods ns/x", "get pods/log ns/x", "get pods.apps ns/x"],
    },
    { rules: [rule("get", "", "pods/log")], yes: ["get pods/log ns/x"], no: ["get pods ns/x"] },
    { rules: [rule("*", "*", "*/scale")], yes: ["update deployments.apps/scale ns/x"], no: ["get deployments.apps ns/x"] },
    { rules: [rule("*", "*", "*")], yes: ["get pods/exec ns/x", "delete nodes x"], no: ["get /healthz"] },
    { rules: [rule("get", "", "secrets", ["a", "b"])], yes: ["get secrets ns/a"], no: ["get secrets ns/c", "list secrets ns/"] },
    {
      rules: [{ verbs: ["get"], nonResourceURLs: ["/healthz", "/metrics/*"] }],
      yes: ["get /healthz", "get /metrics/x/y"],
      no: ["get /healthz/x", "get /metrics", "post /healthz"],
    },
  ])("a role with $rules", ({ rules, yes, no }) => {
    clusterRole("r", ...rules);
    bindCluster("r", { kind: "User", name: "joe" });
    for (const text of yes) expect([text, allows(joe, text)]).toEqual([text, true]);
    for (const text of no) expect([text, allows(joe, text)]).toEqual([text, false]);
  });

  test("reaches users, groups and service accounts, in the binding's namespace only", () => {
    clusterRole("reader", rule("get", "", "pods"));
    bind("ns", "ClusterRole", "reader", { kind: "Group", name: "dev" });
    expect(allows(joe, "get pods ns/x")).toBe(true);
    expect(allows(joe, "get pods other/x")).toBe(false);
    objects.put(Roles, { metadata: { namespace: "ns", name: "own" }, rules: [rule("get", "", "secrets")] });
    bind("ns", "Role", "own", { kind: "ServiceAccount", name: "bot" });
    const bot = { name: "system:serviceaccount:ns:bot", groups: [] };
    expect(allows(bot, "get secrets ns/x")).toBe(true);
    expect(allows({ name: "system:serviceaccount:other:bot", groups: [] }, "get secrets ns/x")).toBe(false);
    expect(decide(ask(bot, "get secrets ns/x")).reason).toBe(
      'RBAC: allowed by RoleBinding "own/ns" of Role "own" to ServiceAccount "bot/ns"',
    );
  });

  test("follows changes of roles and bindings at once", () => {
    bindCluster("late", { kind: "User", name: "joe" });
    expect(decide(ask(joe, "get pods ns/x")).reason).toBe('RBAC: clusterrole.rbac.authorization.k8s.io "late" not found');
    clusterRole("late", rule("get", "", "pods"));
    expect(allows(joe, "get pods ns/x")).toBe(true);
    clusterRole("late", rule("list", "", "pods"));
    expect(allows(joe, "get pods ns/x")).toBe(false);
    expect(allows(joe, "list pods ns/")).toBe(true);
    bindCluster("late", { kind: "User", name: "jane" });
    expect(allows(joe, "list pods ns/")).toBe(false);
    objects.remove(ClusterRoleBindings, undefined, "late");
    expect(allows({ name: "jane", groups: [] }, "list pods ns/")).toBe(false);
  });

  test("says why, as kubectl auth can-i shows it", () => {
    clusterRole("view", rule("get", "", "pods"));
    bindCluster("view", { kind: "Group", name: "dev" }, "devs");
    const spec = { user: "joe", groups: ["dev"], resourceAttributes: { verb: "get", resource: "pods", namespace: "ns" } };
    expect(authorization.reviewAccess(spec)).toEqual({
      allowed: true,
      reason: 'RBAC: allowed by ClusterRoleBinding "devs" of ClusterRole "view" to Group "dev"',
    });
    expect(authorization.reviewAccess({ ...spec, groups: [] })).toEqual({ allowed: false });
    expect(() => authorization.reviewAccess({ user: "joe" })).toThrow(
      "exactly one of nonResourceAttributes or resourceAttributes must be specified",
    );
    expect(authorization.reviewOwnRules(joe, "ns")).toEqual({
      resourceRules: [{ verbs: ["get"], apiGroups: [""], resources: ["pods"] }],
      nonResourceRules: [],
      incomplete: false,
    });
  });

  test("refuses with the text users know", () => {
    expect(() => authorization.check(ask(joe, "list pods ns/"))).toThrow(
      'pods is forbidden: User "joe" cannot list resource "pods" in API group "" in the namespace "ns"',
    );
    expect(() => authorization.check(ask(joe, "get deployments.apps/scale ns/web"))).toThrow(
      'deployments.apps "web" is forbidden: User "joe" cannot get resource "deployments/scale" in API group "apps" in the namespace "ns"',
    );
    expect(() => authorization.check(ask(joe, "get /metrics"))).toThrow('forbidden: User "joe" cannot get path "/metrics"');
  });

  test("decides within microseconds with a thousand bindings", () => {
    for (let i = 0; i < 1000; i++) {
      clusterRole(`r${i}`, rule("get", "", "pods"));
      bindCluster(`r${i}`, { kind: "User", name: `user${i}` });
    }
    const before = process.threadCpuUsage();
    for (let i = 0; i < 10_000; i++) allows({ name: "user500", groups: ["system:authenticated"] }, "get pods ns/x");
    const { user, system } = process.threadCpuUsage(before);
    expect((user + system) / 10_000).toBeLessThan(100);
  });
});

test("the bootstrap roles: system:masters may everything, the anonymous see little", () => {
  const load = (kind: string, resource: ResourceInfo): void => {
    for (const object of bootstrap[kind] ?? []) objects.put(resource, structuredClone(object) as KubeObject);
  };
  load("ClusterRole", ClusterRoles);
  load("ClusterRoleBinding", ClusterRoleBindings);
  expect(allows({ name: "root", groups: ["system:masters"] }, "delete nodes x")).toBe(true);
  const anonymous = { name: "system:anonymous", groups: ["system:unauthenticated"] };
  expect(allows(anonymous, "get /version")).toBe(true);
  expect(allows(anonymous, "get /api")).toBe(false);
  expect(allows(joe, "get /api/v1")).toBe(true);
  expect(allows(joe, "create selfsubjectaccessreviews.authorization.k8s.io")).toBe(true);
  expect(allows({ name: "system:kube-scheduler", groups: [] }, "create pods/binding ns/x")).toBe(true);
});

describe("nodes", () => {
  const node: UserInfo = { name: "system:node:n1", groups: ["system:nodes", "system:authenticated"] };
  const pod = (name: string, spec: object, more: object = {}) =>
    objects.put(Pods, { metadata: { namespace: "ns", name, ...more }, spec: { containers: [{ name: "c" }], nodeName: "n1", ...spec } });

  test("read what their pods refer to, as long as the pods are there", () => {
    pod("p", {
      serviceAccountName: "bot",
      imagePullSecrets: [{ name: "pull" }],
      containers: [
        {
          name: "c",
          envFrom: [{ configMapRef: { name: "env" } }],
          env: [{ name: "A", valueFrom: { secretKeyRef: { name: "key", key: "k" } } }],
        },
      ],
      volumes: [
        { name: "a", secret: { secretName: "vol" } },
        { name: "b", projected: { sources: [{ configMap: { name: "proj" } }] } },
        { name: "c", persistentVolumeClaim: { claimName: "claim" } },
        { name: "d", ephemeral: {} },
      ],
    });
    objects.put(PersistentVolumeClaims, { metadata: { namespace: "ns", name: "claim" }, spec: { volumeName: "pv" } });
    const claimRef = { namespace: "ns", name: "claim" };
    objects.put(PersistentVolumes, {
      metadata: { name: "pv" },
      spec: { claimRef, csi: { nodeStageSecretRef: { namespace: "x", name: "stage" } } },
    });
    const readable = ["secrets ns/pull", "secrets ns/key", "secrets ns/vol", "configmaps ns/env", "configmaps ns/proj", "secrets x/stage"];
    readable.push("persistentvolumeclaims ns/claim", "persistentvolumeclaims ns/p-d", "persistentvolumes pv", "pods ns/p");
    for (const what of readable) expect([what, allows(node, `get ${what}`)]).toEqual([what, true]);
    expect(allows(node, "create serviceaccounts/token ns/bot")).toBe(true);
    expect(allows({ ...node, name: "system:node:n2" }, "get secrets ns/vol")).toBe(false);
    objects.remove(Pods, "ns", "p");
    for (const what of readable) expect([what, allows(node, `get ${what}`)]).toEqual([what, false]);
  });

  test("share nothing through mirror pods, which they write themselves", () => {
    pod("m", { volumes: [{ name: "a", secret: { secretName: "vol" } }] }, { annotations: { "kubernetes.io/config.mirror": "x" } });
    expect(allows(node, "get secrets ns/vol")).toBe(false);
  });

  test("keep access while another pod still refers to the object", () => {
    pod("p", { serviceAccountName: "bot" });
    pod("q", { serviceAccountName: "bot" });
    objects.remove(Pods, "ns", "p");
    expect(allows(node, "create serviceaccounts/token ns/bot")).toBe(true);
  });

  test.each([
    { text: "get secrets ns/x", reason: "no relationship found between node 'n1' and this object" },
    { text: "list secrets ns/", reason: "No Object name found" },
    { text: "update secrets ns/x", reason: "can only read resources of this type" },
    { text: "get nodes n2", reason: "node 'n1' cannot read 'n2', only its own Node object" },
    { text: "get volumeattachments.storage.k8s.io other", reason: "no relationship found between node 'n1' and this object" },
    { text: "update resourceslices.resource.k8s.io other", reason: "no relationship found between node 'n1' and this object" },
    {
      text: "list resourceslices.resource.k8s.io",
      reason: "can only list/watch/deletecollection resourceslices with nodeName field selector",
    },
    { text: "list nodes", reason: "node 'n1' cannot read all nodes, only its own Node object" },
    { text: "list pods", reason: "can only list/watch pods with spec.nodeName field selector" },
    { text: "list persistentvolumes", reason: "can only get individual resources of this type" },
    {
      text: "update leases.coordination.k8s.io kube-node-lease/n2",
      reason: "can only access node lease with the same name as the requesting node",
    },
    { text: "get leases.coordination.k8s.io x/n1", reason: 'can only access leases in the "kube-node-lease" system namespace' },
    { text: "update csinodes.storage.k8s.io n2", reason: "can only access CSINode with the same name as the requesting node" },
    { text: "create serviceaccounts ns/x", reason: "can only create tokens for individual service accounts" },
  ])("may not $text", ({ text, reason }) => {
    expect(decide(ask(node, text))).toEqual({ verdict: "no-opinion", reason });
  });

  test("have their own node, lease, events and pods", () => {
    for (const text of [
      "get nodes n1",
      "update nodes/status n1",
      "update leases.coordination.k8s.io kube-node-lease/n1",
      "create events ns/",
    ])
      expect([text, allows(node, text)]).toEqual([text, true]);
    expect(allows(node, "watch pods", { fieldSelector: "spec.nodeName=n1" })).toBe(true);
    expect(allows(node, "watch pods", { fieldSelector: "spec.nodeName=n2" })).toBe(false);
    // The comma belongs to the value: this selects the pods of all nodes but one.
    expect(allows(node, "list pods", { fieldSelector: "spec.nodeName!=x\\,spec.nodeName=n1" })).toBe(false);
    expect(allows(node, "list nodes", { fieldSelector: "metadata.name=n1" })).toBe(true);
    expect(allows({ name: "system:node:n1", groups: [] }, "get nodes n1")).toBe(false);
  });
});

describe("privilege escalation", () => {
  const write =
    (resource: ResourceInfo, object: object, more: Partial<AdmissionRequest> = {}) =>
    () =>
      authorization.escalationPrevention.validate?.({
        operation: "CREATE",
        resource,
        subresource: "",
        namespace: resource.namespaced ? "ns" : "",
        name: "new",
        object: object as KubeObject,
        old: undefined,
        user: joe,
        dryRun: false,
        warn: () => {},
        onFailure: () => {},
        ...more,
      });
  const readPods: PolicyRule = { verbs: ["get", "list"], apiGroups: [""], resources: ["pods"] };
  const role = (...rules: PolicyRule[]) => ({ metadata: { namespace: "ns", name: "new" }, rules });

  test("is refused, naming what is not held", () => {
    expect(write(Roles, role(readPods))).toThrow(
      'roles.rbac.authorization.k8s.io "new" is forbidden: user "joe" (groups=["dev" "system:authenticated"]) ' +
        'is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}',
    );
  });

  test("is not seen where the writer holds the rights, or may escalate", () => {
    clusterRole("reader", { ...readPods, verbs: ["*"] });
    bind("ns", "ClusterRole", "reader", { kind: "User", name: "joe" });
    expect(write(Roles, role(readPods))).not.toThrow();
    expect(write(ClusterRoles, role(readPods))).toThrow("not currently held");
    clusterRole("escalator", { verbs: ["escalate"], apiGroups: ["rbac.authorization.k8s.io"], resources: ["clusterroles"] });
    bindCluster("escalator", { kind: "Group", name: "dev" });
    expect(write(ClusterRoles, role(readPods))).not.toThrow();
  });

  test("by a binding needs the role's rights, or the verb bind on it", () => {
    const binding = (name: string) => ({
      metadata: { namespace: "ns", name: "new" },
      roleRef: { kind: "ClusterRole", name },
      subjects: [],
    });
    expect(write(RoleBindings, binding("admin"))).toThrow('clusterroles.rbac.authorization.k8s.io "admin" not found');
    clusterRole("admin", { verbs: ["*"], apiGroups: ["*"], resources: ["*"] });
    expect(write(RoleBindings, binding("admin"))).toThrow('{APIGroups:["*"], Resources:["*"], Verbs:["*"]}');
    clusterRole("binder", {
      verbs: ["bind"],
      apiGroups: ["rbac.authorization.k8s.io"],
      resources: ["clusterroles"],
      resourceNames: ["admin"],
    });
    bindCluster("binder", { kind: "User", name: "joe" });
    expect(write(RoleBindings, binding("admin"))).not.toThrow();
  });

  test("is not asked about when only labels change", () => {
    const old = role(readPods) as unknown as KubeObject;
    const labelled = { ...role(readPods), metadata: { name: "new", labels: { a: "b" } } };
    expect(write(Roles, labelled, { operation: "UPDATE", old })).not.toThrow();
    expect(write(Roles, role({ ...readPods, verbs: ["delete"] }), { operation: "UPDATE", old })).toThrow("not currently held");
  });
});
