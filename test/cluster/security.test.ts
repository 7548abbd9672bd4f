import { rmSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type HueProcess, startHue, temporaryFolder } from "../support/hue.ts";
import type { Kubectl } from "../support/kubectl.ts";
import { parse, stringify } from "yaml";

const folder = temporaryFolder();
let server: HueProcess;
let kubectl: Kubectl;

beforeAll(async () => {
  const tokens = join(folder, "tokens.csv");
  writeFileSync(tokens, 'jane-token,jane,7,"dev,ops"\nlead-token,lead,8,leads\n');
  server = await startHue(["--runtime=simulated", "--disable=ingress,servicelb,dns,metrics-server", "--token-auth-file", tokens]);
  kubectl = server.kubectl;
});
afterAll(async () => {
  await server?.stop();
  for (const path of [server.dataDir, folder]) rmSync(path, { recursive: true, force: true });
});

/** kubectl with a token in the place of the administrator's certificate: what it prints, on whichever stream. */
async function as(token: string, ...args: string[]): Promise<string> {
  const config: { users: { user: object }[] } = parse(await kubectl("config", "view", "--raw", "--minify"));
  for (const user of config.users) user.user = { token };
  const path = join(folder, `${token.slice(0, 20)}.yaml`);
  writeFileSync(path, stringify(config));
  const { stdout, stderr } = await kubectl.run(["--kubeconfig", path, ...args]);
  return stdout + stderr;
}

/** The code of the answer to a request with these headers. */
function codeOf(path: string, headers: Record<string, string> = {}): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    // Who the server is does not matter here.
    get({ host: "127.0.0.1", port: server.port, path, headers, rejectUnauthorized: false, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on("error", reject);
  });
}

describe("service accounts", () => {
  test("are listed under any spelling of their name, the default one in every namespace, made anew when it is deleted", async () => {
    await kubectl("create", "namespace", "accounts");
    await kubectl("create", "serviceaccount", "custom", "-n", "accounts");
    await kubectl("-n", "accounts", "wait", "--for=create", "serviceaccount/default", "--timeout=20s");
    expect(await kubectl("get", "serviceAccounts", "-n", "accounts")).toMatch(/^NAME +AGE\n(custom|default) +\S+\n/);
    const uid = () =>
      kubectl.run(["-n", "accounts", "get", "sa", "default", "-o", "jsonpath={.metadata.uid}"]).then(({ stdout }) => stdout);
    const before = await uid();
    await kubectl("-n", "accounts", "delete", "sa", "default");
    await expect.poll(async () => [await uid()].filter((now) => now !== "" && now !== before).length).toBe(1);
  });

  test("have their token in a Secret that asks for it, which ends with the Secret", async () => {
    await kubectl.create({
      ...{ apiVersion: "v1", kind: "Secret", type: "kubernetes.io/service-account-token" },
      metadata: { name: "custom-token", namespace: "accounts", annotations: { "kubernetes.io/service-account.name": "custom" } },
    });
    const read = ["-n", "accounts", "get", "secret", "custom-token", "-o", "jsonpath={.data.token}"];
    const token = Buffer.from(await kubectl.until(read, (out) => out !== ""), "base64").toString();
    const keys = await kubectl(
      "-n",
      "accounts",
      "get",
      "secret",
      "custom-token",
      "-o",
      "go-template={{range $k, $v := .data}}{{$k}} {{end}}",
    );
    expect(keys.trim().split(" ")).toEqual(["ca.crt", "namespace", "token"]);
    expect(await as(token, "auth", "whoami")).toContain("system:serviceaccount:accounts:custom");
    const used = [
      "-n",
      "accounts",
      "get",
      "secret",
      "custom-token",
      "-o",
      "jsonpath={.metadata.labels.kubernetes\\.io/legacy-token-last-used}",
    ];
    expect(await kubectl.until(used, (out) => out !== "")).toMatch(/^\d{4}-\d\d-\d\d$/);
    await kubectl("-n", "accounts", "label", "secret", "custom-token", "kubernetes.io/legacy-token-invalid-since=2026-01-01");
    expect(await as(token, "auth", "whoami")).toContain("Unauthorized");
    await kubectl("-n", "accounts", "label", "secret", "custom-token", "kubernetes.io/legacy-token-invalid-since-");
    expect(await as(token, "auth", "whoami")).toContain("accounts:custom");
    await kubectl("-n", "accounts", "delete", "secret", "custom-token");
    expect(await as(token, "auth", "whoami")).toContain("Unauthorized");
  });

  test("have tokens for a while, which end with what they are bound to", async () => {
    await kubectl("-n", "accounts", "create", "secret", "generic", "bound");
    const token = (
      await kubectl("-n", "accounts", "create", "token", "custom", "--bound-object-kind=Secret", "--bound-object-name=bound")
    ).trim();
    expect(await as(token, "auth", "whoami")).toContain("accounts:custom");
    const elsewhere = (await kubectl("-n", "accounts", "create", "token", "custom", "--audience=vault")).trim();
    expect(await as(elsewhere, "auth", "whoami")).toContain("Unauthorized");
    await kubectl("-n", "accounts", "delete", "secret", "bound");
    expect(await as(token, "auth", "whoami")).toContain("Unauthorized");
  });

  test("that are not there keep a pod from being made", async () => {
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p" },
      spec: { serviceAccountName: "nobody", containers: [{ name: "a", image: "x" }] },
    };
    await expect(kubectl.create(pod)).rejects.toThrow('serviceaccount "nobody" not found');
  });
});

describe("a request", () => {
  test("is 401 when nobody vouches for its sender, 403 when he may not, and needs no sender for health and version", async () => {
    expect(await codeOf("/api/v1/pods", { authorization: "Bearer nonsense" })).toBe(401);
    expect(await codeOf("/api/v1/pods", { authorization: "Bearer jane-token" })).toBe(403);
    expect(await codeOf("/api/v1/pods")).toBe(403);
    for (const path of ["/version", "/healthz", "/livez", "/readyz"]) expect([path, await codeOf(path)]).toEqual([path, 200]);
    for (const path of ["/metrics", "/api/v1/secrets", "/openapi/v2", "/configz"]) expect([path, await codeOf(path)]).toEqual([path, 403]);
  });

  test("tells who its sender is: name, uid, groups", async () => {
    expect(await as("jane-token", "auth", "whoami", "-o", "jsonpath={.status.userInfo}")).toBe(
      '{"groups":["dev","ops","system:authenticated"],"uid":"7","username":"jane"}',
    );
  });

  test("may be in another's name only for those who are allowed to", async () => {
    const whoAmI = ["auth", "whoami", "-o", "jsonpath={.status.userInfo.username} {.status.userInfo.groups}"];
    const jane = [...whoAmI, "--as=bob", "--as-group=qa", "--as-uid=9"];
    expect(await kubectl(...jane)).toBe('bob ["qa","system:authenticated"]');
    // kubectl's own words for a 403.
    const refused = "or you do not have permission to call it";
    expect(await as("lead-token", ...jane)).toContain(refused);
    await kubectl("create", "clusterrole", "be-bob", "--verb=impersonate", "--resource=users", "--resource-name=bob");
    await kubectl("create", "clusterrolebinding", "be-bob", "--clusterrole=be-bob", "--user=lead");
    expect(await as("lead-token", ...whoAmI, "--as=bob")).toBe('bob ["system:authenticated"]');
    expect(await as("lead-token", ...whoAmI, "--as=eve")).toContain(refused);
    expect(await as("lead-token", ...whoAmI, "--as=bob", "--as-group=system:masters")).toContain(refused);
    expect(await as("lead-token", ...whoAmI, "--as-group=qa")).toContain("without impersonating a user");
  });
});

describe("a community with a namespace of its own", () => {
  test("is ruled by its lead, who sees no other and grants no more than he has", async () => {
    for (const name of ["ours", "theirs"]) await kubectl("create", "namespace", name);
    await kubectl("-n", "ours", "create", "rolebinding", "lead", "--clusterrole=admin", "--group=leads");
    expect(await as("lead-token", "-n", "ours", "create", "configmap", "x")).toContain("configmap/x created");
    expect(await as("lead-token", "-n", "theirs", "get", "configmaps")).toContain(
      'User "lead" cannot list resource "configmaps" in API group "" in the namespace "theirs"',
    );
    expect(await as("lead-token", "get", "nodes")).toContain("at the cluster scope");
    expect(await as("lead-token", "-n", "ours", "create", "rolebinding", "jane", "--clusterrole=view", "--user=jane")).toContain("created");
    expect(await as("jane-token", "-n", "ours", "get", "configmaps", "-o", "name")).toContain("configmap/x");
    expect(await as("jane-token", "-n", "ours", "delete", "configmap", "x")).toContain("forbidden");
    expect(await as("lead-token", "-n", "ours", "create", "rolebinding", "root", "--clusterrole=cluster-admin", "--user=lead")).toContain(
      "is attempting to grant RBAC permissions not currently held",
    );
  });

  test("asks what it may", async () => {
    expect(await as("lead-token", "auth", "can-i", "create", "pods", "-n", "ours")).toContain("yes");
    expect(await as("lead-token", "auth", "can-i", "create", "pods", "-n", "theirs")).toContain("no");
    expect(await as("lead-token", "auth", "can-i", "--list", "-n", "ours")).toMatch(/configmaps +\[\] +\[\] +\[.*create/);
    expect(
      await kubectl("auth", "can-i", "get", "secrets", "--as=system:serviceaccount:ours:default", "-n", "ours").catch(String),
    ).toContain("no");
  });

  test("lets service accounts, also of other namespaces, do what a Role says there, and no more", async () => {
    await kubectl("-n", "ours", "create", "role", "service-reader", "--verb=get,list", "--resource=services");
    await kubectl("-n", "ours", "create", "rolebinding", "readers", "--role=service-reader", "--serviceaccount=theirs:default");
    await kubectl("-n", "theirs", "wait", "--for=create", "serviceaccount/default", "--timeout=20s");
    const token = (await kubectl("-n", "theirs", "create", "token", "default")).trim();
    expect(await as(token, "-n", "ours", "get", "services")).toContain("No resources found in ours namespace");
    for (const refused of [
      ["-n", "ours", "create", "service", "clusterip", "x", "--tcp=80"],
      ["-n", "ours", "get", "endpoints"],
      ["-n", "theirs", "get", "services"],
      ["get", "services", "-A"],
    ])
      expect(await as(token, ...refused)).toContain('User "system:serviceaccount:theirs:default" cannot');
    await kubectl("-n", "ours", "create", "rolebinding", "group", "--clusterrole=view", "--group=system:serviceaccounts:theirs");
    expect(await as(token, "-n", "ours", "get", "configmaps")).toContain("kube-root-ca.crt");
  });

  test("sees what belongs to the cluster by a ClusterRoleBinding only, not by a RoleBinding to the same role", async () => {
    await kubectl("create", "clusterrole", "pv-reader", "--verb=get,list", "--resource=persistentvolumes");
    await kubectl("-n", "ours", "create", "rolebinding", "pv", "--clusterrole=pv-reader", "--user=lead");
    expect(await as("lead-token", "-n", "ours", "get", "persistentvolumes")).toContain("at the cluster scope");
    await kubectl("create", "clusterrolebinding", "pv", "--clusterrole=pv-reader", "--user=lead");
    expect(await as("lead-token", "get", "persistentvolumes")).toContain("No resources found");
  });

  test("gets rights that are added to roles by their labels", async () => {
    const ask = () => as("lead-token", "auth", "can-i", "create", "endpointslices.discovery.k8s.io", "-n", "ours");
    expect(await ask()).toMatch(/^no/m);
    await kubectl.create({
      ...{ apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole" },
      metadata: { name: "slices", labels: { "rbac.authorization.k8s.io/aggregate-to-admin": "true" } },
      rules: [{ apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["create"] }],
    });
    await expect.poll(ask).toMatch(/^yes/m);
  });
});

describe("Secrets", () => {
  test("are described without what is in them, and read back as they were made", async () => {
    await kubectl("create", "secret", "generic", "hush-hush", "--from-literal=username=tobias", "--from-literal=password=cutoffs");
    const described = await kubectl("describe", "secret", "hush-hush");
    expect(described).toMatch(/Type: +Opaque/);
    expect(described).toMatch(/password: +7 bytes\nusername: +6 bytes/);
    expect(described).not.toContain("tobias");
    expect(await kubectl("get", "secret", "hush-hush", "-o", "jsonpath={.data.password} {.data.username}")).toBe("Y3V0b2Zmcw== dG9iaWFz");
  });

  test("take keys that are file names, and no others; and a mebibyte at most", async () => {
    const secret = (key: string, value = "x") => ({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { generateName: "k-" },
      stringData: { [key]: value },
    });
    await kubectl.create(secret(".dot-file_1"));
    for (const key of ["a/b", "..", "with space"])
      await expect(kubectl.create(secret(key))).rejects.toThrow(/a valid config key must consist of|must not be '..'/);
    await expect(kubectl.create(secret("big", "x".repeat(1024 * 1024 + 1)))).rejects.toThrow("Too long");
  });

  test("for registries are made by kubectl and checked", async () => {
    await kubectl("create", "secret", "docker-registry", "pull", "--docker-server=r.example", "--docker-username=u", "--docker-password=p");
    expect(await kubectl("get", "secret", "pull", "-o", "jsonpath={.type}")).toBe("kubernetes.io/dockerconfigjson");
    const broken = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "broken" },
      type: "kubernetes.io/dockerconfigjson",
      stringData: { ".dockerconfigjson": "{" },
    };
    await expect(kubectl.create(broken)).rejects.toThrow("data[.dockerconfigjson]");
  });
});

describe("pods in a namespace with a level of security", () => {
  const pod = (name: string, spec: object, container: object = {}) => ({
    ...{ apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "secured" } },
    spec: { ...spec, containers: [{ name: "a", image: "x", ...container }] },
  });
  beforeAll(async () => {
    await kubectl("create", "namespace", "secured");
    await kubectl(
      "label",
      "namespace",
      "secured",
      "pod-security.kubernetes.io/enforce=baseline",
      "pod-security.kubernetes.io/warn=restricted",
    );
    await kubectl("-n", "secured", "wait", "--for=create", "serviceaccount/default", "--timeout=20s");
  });

  test.each<[string, object, object]>([
    ["hostNetwork=true", { hostNetwork: true }, {}],
    ["hostPID=true", { hostPID: true }, {}],
    ["hostPath volumes", { volumes: [{ name: "v", hostPath: { path: "/" } }] }, {}],
    ["privileged", {}, { securityContext: { privileged: true } }],
    ["non-default capabilities", {}, { securityContext: { capabilities: { add: ["SYS_ADMIN"] } } }],
    ["hostPort", {}, { ports: [{ containerPort: 80, hostPort: 80 }] }],
    ["forbidden sysctls", { securityContext: { sysctls: [{ name: "kernel.shm_rmid_forced0", value: "1" }] } }, {}],
    ["seLinuxOptions", { securityContext: { seLinuxOptions: { type: "other_t" } } }, {}],
    ["forbidden AppArmor profile", { securityContext: { appArmorProfile: { type: "Unconfined" } } }, {}],
    ["seccompProfile", { securityContext: { seccompProfile: { type: "Unconfined" } } }, {}],
  ])("are refused for %s", async (why, spec, container) => {
    await expect(kubectl.create(pod("bad", spec, container))).rejects.toThrow(why);
  });

  test("are let in otherwise, with a warning of what is stricter; their users and groups are as they say", async () => {
    const spec = { securityContext: { fsGroup: 1234, supplementalGroups: [5678], seLinuxOptions: { level: "s0:c123,c456" } } };
    const { stderr } = await kubectl.run(
      ["create", "-f", "-"],
      JSON.stringify(pod("good", spec, { securityContext: { runAsUser: 1000 } })),
    );
    expect(stderr).toContain('would violate PodSecurity "restricted:latest"');
    const seen = await kubectl("-n", "secured", "get", "pod", "good", "-o", "jsonpath={.spec.securityContext}");
    expect(JSON.parse(seen)).toEqual(spec.securityContext);
  });
});
