import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { join } from "node:path";
import { stringify } from "yaml";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type HueProcess, hue, startHue, temporaryFolder } from "../support/hue.ts";
import { type JwtIssuer, startJwtIssuer } from "../support/jwt-issuer.ts";
import { type SecureServer, startSecureServer } from "../support/secure-server.ts";

const folder = temporaryFolder();
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const light = ["--runtime=none", "--disable=ingress,servicelb,dns,metrics-server"];

function file(name: string, content: string | object): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === "string" ? content : stringify(content));
  return path;
}

/** What kubectl prints for the bearer of a token, on whichever stream. */
async function as(server: HueProcess, token: string, ...args: string[]): Promise<string> {
  // The kubeconfig's own certificate would speak first.
  const nobody = file(
    "nobody.yaml",
    (await server.kubectl("config", "view", "--raw", "--minify")).replace(/client-(certificate|key)-data:.*\n/g, ""),
  );
  const { stdout, stderr } = await server.kubectl.run(["--kubeconfig", nobody, "--token", token, ...args]);
  return stdout + stderr;
}

/** The code of the answer to a request without credentials. */
function anonymously({ port }: HueProcess, path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    // Who the server is does not matter here.
    get({ host: "127.0.0.1", port, path, rejectUnauthorized: false, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on("error", reject);
  });
}

const whoAmI = ["auth", "whoami", "-o", "jsonpath={.status.userInfo.username} {.status.userInfo.groups}"];

describe("people who come from an issuer of tokens", () => {
  let issuer: JwtIssuer;
  let server: HueProcess;
  beforeAll(async () => {
    issuer = await startJwtIssuer();
    server = await startHue([
      ...light,
      ...["--oidc-issuer-url", issuer.url, "--oidc-client-id", "hue", "--oidc-ca-file", file("oidc.pem", issuer.authority)],
      ...[
        "--oidc-username-claim",
        "name",
        "--oidc-username-prefix",
        "oidc:",
        "--oidc-groups-claim",
        "groups",
        "--oidc-groups-prefix",
        "oidc:",
      ],
      ...["--oidc-required-claim", "tenant=blue", "--anonymous-auth=false"],
    ]);
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(server.dataDir, { recursive: true, force: true });
    await issuer.stop();
  });
  const claims = { name: "jane", groups: ["dev"], tenant: "blue" };

  test("are who the token says, and may what roles grant to their groups", async () => {
    const token = await issuer.token(claims);
    expect(await as(server, token, ...whoAmI)).toBe('oidc:jane ["oidc:dev","system:authenticated"]');
    expect(await as(server, token, "get", "configmaps")).toContain('User "oidc:jane" cannot list resource "configmaps"');
    await server.kubectl("create", "clusterrolebinding", "dev", "--clusterrole=view", "--group=oidc:dev");
    expect(await as(server, token, "get", "configmaps", "-o", "name")).toContain("configmap/kube-root-ca.crt");
    expect(await as(server, token, "create", "configmap", "x")).toContain('User "oidc:jane" cannot create resource "configmaps"');
  });

  test("are nobody with another token", async () => {
    for (const token of [
      await issuer.token({ ...claims, tenant: "red" }),
      await issuer.token({ ...claims, aud: "other" }),
      await issuer.token({ ...claims, exp: Math.floor(Date.now() / 1000) - 10 }),
    ])
      expect(await as(server, token, "get", "configmaps")).toContain("You must be logged in to the server (Unauthorized)");
  });

  test("have to bring a token where nobody may be anonymous", async () => {
    expect(await anonymously(server, "/livez")).toBe(401);
  });
});

describe("webhooks for tokens and for access, by configuration files", () => {
  let webhook: SecureServer;
  let issuer: JwtIssuer;
  let server: HueProcess;
  beforeAll(async () => {
    issuer = await startJwtIssuer();
    webhook = await startSecureServer(({ body }) => {
      if (body.kind === "TokenReview")
        return { body: { status: { authenticated: body.spec.token === "good", user: { username: "bob", groups: ["hooked"] } } } };
      const { resourceAttributes: wanted = {} } = body.spec;
      return {
        body: { status: { allowed: wanted.resource === "configmaps", denied: wanted.resource === "secrets", reason: "by webhook" } },
      };
    });
    const kubeConfigFile = webhook.writeKubeconfig(join(folder, "webhook.yaml"));
    const authorization = {
      ...{ apiVersion: "apiserver.config.k8s.io/v1", kind: "AuthorizationConfiguration" },
      authorizers: [
        {
          ...{ type: "Webhook", name: "outside" },
          webhook: {
            ...{ timeout: "3s", subjectAccessReviewVersion: "v1", matchConditionSubjectAccessReviewVersion: "v1", failurePolicy: "Deny" },
            connectionInfo: { type: "KubeConfigFile", kubeConfigFile },
            matchConditions: [{ expression: "'hooked' in request.groups" }],
          },
        },
        { type: "Node", name: "node" },
        { type: "RBAC", name: "rbac" },
      ],
    };
    const authentication = {
      ...{ apiVersion: "apiserver.config.k8s.io/v1", kind: "AuthenticationConfiguration" },
      jwt: [
        {
          issuer: { url: issuer.url, audiences: ["hue"], certificateAuthority: issuer.authority },
          claimMappings: { username: { expression: '"jwt:" + claims.sub' }, groups: { expression: "['hooked']" } },
          userValidationRules: [{ expression: "user.username != 'jwt:root'", message: "not root" }],
        },
      ],
      anonymous: { enabled: true, conditions: [{ path: "/livez" }] },
    };
    server = await startHue([
      ...light,
      ...["--authentication-token-webhook-config-file", kubeConfigFile, "--authentication-token-webhook-version", "v1"],
      ...[
        "--authorization-config",
        file("authorization.yaml", authorization),
        "--authentication-config",
        file("authentication.yaml", authentication),
      ],
    ]);
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(server.dataDir, { recursive: true, force: true });
    await webhook.stop();
    await issuer.stop();
  });

  test("know whom nobody else knows", async () => {
    expect(await as(server, "good", ...whoAmI)).toBe('bob ["hooked","system:authenticated"]');
    expect(await as(server, "bad", ...whoAmI)).toContain("Unauthorized");
    expect(await as(server, await issuer.token(), ...whoAmI)).toBe('jwt:jane ["hooked","system:authenticated"]');
    expect(await as(server, await issuer.token({ sub: "root" }), ...whoAmI)).toContain("Unauthorized");
  });

  test("allow, deny, and leave to roles", async () => {
    expect(await as(server, "good", "get", "configmaps", "-o", "name")).toContain("configmap/kube-root-ca.crt");
    expect(await as(server, "good", "get", "secrets")).toContain(
      'User "bob" cannot list resource "secrets" in API group "" in the namespace "default": by webhook',
    );
    expect(await as(server, "good", "get", "services")).toContain("cannot list");
    await server.kubectl("create", "clusterrolebinding", "hooked", "--clusterrole=view", "--user=bob");
    expect(await as(server, "good", "get", "services", "-o", "name")).toContain("service/kubernetes");
    expect(await as(server, "good", "auth", "can-i", "get", "secrets")).toContain("no");
  });

  test("are not asked about administrators, and about those their conditions leave out", async () => {
    const before = webhook.asked.length;
    expect(await server.kubectl("get", "secrets", "-A", "-o", "name")).toBeDefined();
    expect(webhook.asked.length).toBe(before);
  });

  test("answer expressions of admission policies too", async () => {
    await server.kubectl.apply(policy());
    const create = (): Promise<string> => as(server, "good", "create", "configmap", `c${Math.random().toString(36).slice(2)}`);
    await expect.poll(create).toContain("you cannot read secrets");
  });

  test("anonymous requests may ask for the paths that are named, and for nothing else", async () => {
    expect(await anonymously(server, "/livez")).toBe(200);
    expect(await anonymously(server, "/readyz")).toBe(401);
  });

  describe("whose files change while the server runs", () => {
    const change = (name: string, edit: (text: string) => string): void => void file(name, edit(readFileSync(join(folder, name), "utf8")));
    const logged = (text: string) => expect.poll(() => server.output()).toContain(text);

    test("have other issuers from then on, and the old ones where the new file cannot be used", async () => {
      const name = async (): Promise<string> => (await as(server, await issuer.token(), ...whoAmI)).split(" ")[0] ?? "";
      change("authentication.yaml", (text) => text.replace('"jwt:" + claims.sub', '"changed:" + claims.sub'));
      await expect.poll(name).toBe("changed:jane");
      change("authentication.yaml", (text) => text.replace("path: /livez", "path: /readyz"));
      await logged("anonymous: Forbidden: changed from initial configuration file");
      change("authentication.yaml", (text) => text.replace('"changed:" + claims.sub', "claims."));
      await logged("the authentication configuration is not taken over: --authentication-config: ");
      expect(await name()).toBe("changed:jane");
      expect(await anonymously(server, "/livez")).toBe(200);
    });

    test("have other authorizers from then on, and the old ones where the new file cannot be used", async () => {
      const list = (): Promise<string> => as(server, "good", "get", "secrets", "-o", "name");
      expect(await list()).toContain("by webhook");
      change("authorization.yaml", (text) => text.replace("'hooked' in request.groups", "'nobody' in request.groups"));
      await expect.poll(list).not.toContain("by webhook");
      change("authorization.yaml", (text) => text.replace("type: Node", "type: ABAC"));
      await logged("authorizer type ABAC is not allowed if it was not enabled at initial server startup");
      change("authorization.yaml", () => "authorizers: 7");
      await logged("the authorization configuration is not taken over: --authorization-config: ");
      expect(await list()).not.toContain("by webhook");
      const metrics = await server.kubectl("get", "--raw", "/metrics");
      for (const of of ["authentication", "authorization"]) {
        expect(metrics).toContain(`apiserver_${of}_config_controller_automatic_reloads_total{status="success"} 1\n`);
        expect(metrics).toMatch(
          new RegExp(`apiserver_${of}_config_controller_automatic_reload_last_timestamp_seconds{status="failure"} 1\\d{9}`),
        );
      }
    });
  });

  function policy(): object[] {
    const group = { apiVersion: "admissionregistration.k8s.io/v1" };
    const rule = { apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["configmaps"] };
    const validations = [
      {
        expression: "authorizer.group('').resource('secrets').namespace('default').check('list').allowed()",
        message: "you cannot read secrets",
      },
    ];
    return [
      {
        ...group,
        ...{ kind: "ValidatingAdmissionPolicy", metadata: { name: "readers" } },
        spec: { matchConstraints: { resourceRules: [rule] }, validations },
      },
      {
        ...group,
        ...{ kind: "ValidatingAdmissionPolicyBinding", metadata: { name: "readers" } },
        spec: { policyName: "readers", validationActions: ["Deny"] },
      },
    ];
  }
});

describe("admission plugins, by flags and an AdmissionConfiguration", () => {
  let server: HueProcess;
  beforeAll(async () => {
    file("events.yaml", {
      ...{ apiVersion: "eventratelimit.admission.k8s.io/v1alpha1", kind: "Configuration" },
      limits: [{ type: "User", qps: 1, burst: 1 }],
    });
    const configuration = {
      ...{ apiVersion: "apiserver.config.k8s.io/v1", kind: "AdmissionConfiguration" },
      plugins: [
        { name: "EventRateLimit", path: "events.yaml" },
        {
          name: "PodSecurity",
          configuration: {
            ...{ apiVersion: "pod-security.admission.config.k8s.io/v1", kind: "PodSecurityConfiguration" },
            defaults: { enforce: "baseline" },
            exemptions: { namespaces: ["kube-system"] },
          },
        },
      ],
    };
    const plugins = "AlwaysPullImages,NamespaceAutoProvision,DenyServiceExternalIPs,OwnerReferencesPermissionEnforcement,EventRateLimit";
    server = await startHue([
      ...light,
      ...["--enable-admission-plugins", plugins, "--disable-admission-plugins", "DefaultTolerationSeconds"],
      ...["--admission-control-config-file", file("admission.yaml", configuration)],
      ...["--token-auth-file", file("tokens.csv", 'editor,ed,1,"editors"\n')],
    ]);
    await server.kubectl("create", "clusterrolebinding", "ed", "--clusterrole=edit", "--group=editors");
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(server.dataDir, { recursive: true, force: true });
  });
  const pod = (name: string, spec: object = {}) => ({
    ...{ apiVersion: "v1", kind: "Pod", metadata: { name } },
    spec: { containers: [{ name: "a", image: "x:1", imagePullPolicy: "Never" }], ...spec },
  });

  test("change and refuse what they are for, and make the namespace", async () => {
    const made = server.kubectl.in("made-by-itself");
    await made.create(pod("a"));
    expect(await made("get", "pod", "a", "-o", "jsonpath={.spec.containers[0].imagePullPolicy} {.spec.tolerations}")).toBe("Always ");
    await expect(made.create(pod("b", { hostNetwork: true }))).rejects.toThrow('violates PodSecurity "baseline:latest"');
    await server.kubectl.in("kube-system").create(pod("c", { hostNetwork: true }));
    const service = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "s" },
      spec: { ports: [{ port: 80 }], externalIPs: ["1.2.3.4"] },
    };
    await expect(server.kubectl.create(service)).rejects.toThrow("Use of external IPs is denied by admission control");
  });

  test("look at who changes owners", async () => {
    await server.kubectl("create", "deployment", "d", "--image=x");
    const uid = await server.kubectl("get", "deployment", "d", "-o", "jsonpath={.metadata.uid}");
    const owned = (owner: object, name: string) =>
      file(`${name}.yaml`, {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name, ownerReferences: [{ ...owner, blockOwnerDeletion: true }] },
      });
    const deployment = { apiVersion: "apps/v1", kind: "Deployment", name: "d", uid };
    expect(await as(server, "editor", "create", "-f", owned(deployment, "one"))).toContain(
      "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on",
    );
    expect(await as(server, "editor", "create", "-f", owned({ ...deployment, kind: "Nothing" }, "two"))).toContain(
      'no matches for kind "Nothing" in version "apps/v1"',
    );
    await server.kubectl("create", "clusterrole", "finalize", "--verb=update", "--resource=deployments.apps/finalizers");
    await server.kubectl("create", "clusterrolebinding", "finalize", "--clusterrole=finalize", "--user=ed");
    expect(await as(server, "editor", "create", "-f", owned(deployment, "three"))).toContain("configmap/three created");
  });

  test("let events pass only so fast", async () => {
    await server.kubectl("create", "clusterrole", "events", "--verb=create", "--resource=events");
    await server.kubectl("create", "clusterrolebinding", "events", "--clusterrole=events", "--user=ed");
    const event = (name: string) => ({
      ...{ apiVersion: "v1", kind: "Event", metadata: { name, namespace: "default" }, type: "Normal", reason: "R", message: "m" },
      ...{ involvedObject: { kind: "Pod", name, namespace: "default" }, firstTimestamp: null, lastTimestamp: null },
    });
    const list = file("list.yaml", { apiVersion: "v1", kind: "List", items: Array.from({ length: 5 }, (_, i) => event(`e${i}`)) });
    expect(await as(server, "editor", "create", "-f", list)).toContain("limit reached on type User for key ed");
  });
});

test("policies in a file decide for those whom they name; of others a webhook is asked, in the order of the modes", async () => {
  const policy = (spec: object): string => JSON.stringify({ apiVersion: "abac.authorization.kubernetes.io/v1beta1", kind: "Policy", spec });
  const policies = [
    policy({ user: "jane", namespace: "default", resource: "configmaps", readonly: true }),
    policy({ group: "system:authenticated", nonResourcePath: "*", readonly: true }),
    policy({ group: "system:authenticated", resource: "selfsubjectreviews", apiGroup: "authentication.k8s.io" }),
  ];
  const webhook = await startSecureServer(({ body }) => ({ body: { status: { allowed: body.spec.user === "bob" } } }));
  const server = await startHue([
    ...light,
    ...["--token-auth-file", file("people.csv", "jane-token,jane,1,\nbob-token,bob,2,\neve-token,eve,3,\n")],
    ...["--authorization-mode=ABAC,Webhook", "--authorization-policy-file", file("policies.jsonl", policies.join("\n"))],
    ...["--authorization-webhook-config-file", webhook.writeKubeconfig(join(folder, "authorizer.yaml"))],
  ]);
  try {
    expect(await as(server, "jane-token", "get", "configmaps", "-o", "name")).toContain("configmap/kube-root-ca.crt");
    expect(webhook.asked.filter(({ body }) => body.spec.user === "jane")).toEqual([]);
    expect(await as(server, "jane-token", "create", "configmap", "x")).toContain('User "jane" cannot create resource "configmaps"');
    expect(await as(server, "bob-token", "create", "configmap", "x")).toContain("configmap/x created");
    expect(await as(server, "eve-token", "get", "configmaps")).toContain('User "eve" cannot list resource "configmaps"');
    // Roles count for nothing where RBAC is not among the modes; administrators may everything all the same.
    await server.kubectl("create", "clusterrolebinding", "eve", "--clusterrole=cluster-admin", "--user=eve");
    expect(await as(server, "eve-token", "get", "configmaps")).toContain("cannot list");
  } finally {
    await server.stop();
    rmSync(server.dataDir, { recursive: true, force: true });
    await webhook.stop();
  }
});

describe("a server that is told nonsense about access says what is wrong", () => {
  const said = async (...args: string[]): Promise<string> =>
    (await hue("server", ...light, "--data-dir", join(folder, "none"), ...args)).stderr;

  test.each([
    [
      ["--authorization-mode", "RBAC,Magic"],
      '--authorization-mode: "Magic" is not a valid mode; known are ABAC, AlwaysAllow, AlwaysDeny, Node, RBAC, Webhook',
    ],
    [["--authorization-mode", "ABAC"], "--authorization-mode ABAC and --authorization-policy-file need each other"],
    [["--oidc-issuer-url", "https://x.org"], "--oidc-issuer-url and --oidc-client-id must be given together"],
    [["--oidc-issuer-url", "http://x.org", "--oidc-client-id", "a"], "URL scheme must be https"],
    [["--authorization-config", "/nothing/there"], "--authorization-config: /nothing/there cannot be read"],
    [
      ["--enable-admission-plugins", "PodSecurityPolicy"],
      'plugin "PodSecurityPolicy" is unknown; known are AlwaysAdmit, NamespaceAutoProvision,',
    ],
    [["--enable-admission-plugins", "EventRateLimit"], "admission plugin EventRateLimit: it must hold a Configuration"],
    [["--admission-control-config-file", "/nothing/there"], "--admission-control-config-file: /nothing/there"],
    [["--anonymous-auth", "perhaps"], '--anonymous-auth: "perhaps" is neither true nor false'],
  ])("%j", async (args, why) => {
    expect(await said(...args)).toContain(why);
  });
});
