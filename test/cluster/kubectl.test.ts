import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tool } from "../support/kubectl.ts";
import { type RunningServer, startServer } from "../unit/apiserver/running-server.ts";

let running: RunningServer;
let folder: string;

beforeAll(async () => {
  running = await startServer();
  folder = await mkdtemp(join(tmpdir(), "hue-kubectl-"));
  const ca = Buffer.from(running.authority.certificate).toString("base64");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "hue", cluster: { server: running.url, "certificate-authority-data": ca } }],
    users: ["admin", "alice"].map((name) => ({ name, user: { token: name } })),
    contexts: ["admin", "alice"].map((user) => ({ name: user, context: { cluster: "hue", user } })),
    "current-context": "admin",
  };
  await writeFile(join(folder, "config"), JSON.stringify(config));
  await kubectl(["create", "serviceaccount", "default"]);
});
afterAll(async () => {
  await running.stop();
  await rm(folder, { recursive: true, force: true });
});

interface Output {
  out: string;
  err: string;
  code: number;
}

/** Runs a stock kubectl against the server, over TLS with the authority's certificate. */
function kubectl(args: string[], input?: string): Promise<Output> {
  const env = { ...process.env, KUBECONFIG: join(folder, "config"), HOME: folder };
  return new Promise((resolve) => {
    const child = execFile(tool("kubectl"), args, { env, timeout: 30_000 }, (error, out, err) => {
      resolve({ out, err, code: error ? Number(error.code ?? 1) : 0 });
    });
    child.stdin?.end(input ?? "");
  });
}

const deployment = (image: string): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: ${image}, ports: [{containerPort: 80}]}
`;

test("create, get and describe", async () => {
  expect((await kubectl(["create", "configmap", "settings", "--from-literal=a=b"])).out).toBe("configmap/settings created\n");
  expect((await kubectl(["get", "configmap", "settings"])).out).toMatch(/^NAME +DATA +AGE\nsettings +1 +\d+s\n$/);
  expect((await kubectl(["get", "cm", "settings", "-o", "jsonpath={.data.a}"])).out).toBe("b");
  expect((await kubectl(["describe", "configmap", "settings"])).out).toContain("Data\n====\na:\n----\nb\n");
  expect((await kubectl(["create", "configmap", "settings"])).err).toBe(
    'error: failed to create configmap: configmaps "settings" already exists\n',
  );
  expect((await kubectl(["get", "configmap", "none"])).err).toBe('Error from server (NotFound): configmaps "none" not found\n');
});

test("apply creates, configures, and leaves alone; diff and dry run change nothing", async () => {
  expect((await kubectl(["apply", "-f", "-"], deployment("nginx:1"))).out).toBe("deployment.apps/web created\n");
  expect((await kubectl(["apply", "-f", "-"], deployment("nginx:1"))).out).toBe("deployment.apps/web unchanged\n");
  expect((await kubectl(["apply", "--dry-run=server", "-f", "-"], deployment("nginx:2"))).out).toBe(
    "deployment.apps/web configured (server dry run)\n",
  );
  const diff = await kubectl(["diff", "-f", "-"], deployment("nginx:2"));
  expect(diff.out).toContain("+      - image: nginx:2");
  expect((await kubectl(["apply", "-f", "-"], deployment("nginx:2"))).out).toBe("deployment.apps/web configured\n");
  const image = "jsonpath={.spec.template.spec.containers[0].image}";
  expect((await kubectl(["get", "deploy", "web", "-o", image])).out).toBe("nginx:2");
  expect((await kubectl(["get", "deployments", "-l", "app=web"])).out).toMatch(
    /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +0\/2 +0 +0 /,
  );
});

test("scale, label, annotate, patch, set image, edit what is there", async () => {
  expect((await kubectl(["scale", "deployment", "web", "--replicas=5"])).out).toBe("deployment.apps/web scaled\n");
  expect((await kubectl(["label", "deployment", "web", "tier=front"])).out).toBe("deployment.apps/web labeled\n");
  expect((await kubectl(["annotate", "deployment", "web", "note=hi"])).out).toBe("deployment.apps/web annotated\n");
  expect((await kubectl(["set", "image", "deployment/web", "web=nginx:3"])).out).toBe("deployment.apps/web image updated\n");
  expect((await kubectl(["patch", "deployment", "web", "-p", '{"spec":{"paused":true}}'])).out).toBe("deployment.apps/web patched\n");
  const { out } = await kubectl(["get", "deploy", "web", "-o", "jsonpath={.spec.replicas} {.spec.paused} {.metadata.labels.tier}"]);
  expect(out).toBe("5 true front");
  const daemonSet = deployment("nginx").replace("kind: Deployment", "kind: DaemonSet").replace("  replicas: 2\n", "");
  expect((await kubectl(["apply", "-f", "-"], daemonSet)).out).toBe("daemonset.apps/web created\n");
  expect((await kubectl(["scale", "daemonset", "web", "--replicas=1"])).err).toContain("the server could not find the requested resource");
});

test("a mistyped field is refused before anything is stored", async () => {
  const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: typo}\nspec: {container: [{name: c, image: i}]}\n";
  const { err, code } = await kubectl(["create", "-f", "-"], pod);
  expect(code).toBe(1);
  expect(err).toContain('strict decoding error: unknown field "spec.container"');
});

test("run, expose, and delete by selector", async () => {
  expect((await kubectl(["run", "one", "--image=nginx", "--labels=run=x"])).out).toBe("pod/one created\n");
  expect((await kubectl(["get", "pods", "-o", "wide"])).out).toMatch(/one +0\/1 +Pending +0 +\d+s +<none> +<none> +<none> +<none>/);
  expect((await kubectl(["expose", "pod", "one", "--port=80"])).out).toBe("service/one exposed\n");
  expect((await kubectl(["get", "service", "one"])).out).toMatch(/one +ClusterIP +10\.43\.\d+\.\d+ +<none> +80\/TCP/);
  expect((await kubectl(["delete", "pod,service", "-l", "run=x"])).out).toMatch(/^pod "one".* deleted.*\nservice "one".* deleted/);
});

test("explain and api-resources know the kinds", async () => {
  expect((await kubectl(["explain", "pod.spec.containers"])).out).toContain("FIELD: containers");
  expect((await kubectl(["api-resources", "--api-group=apps", "-o", "name"])).out).toContain("deployments.apps\n");
  expect((await kubectl(["api-versions"])).out).toContain("autoscaling/v1\nautoscaling/v2\n");
});

test("rights are asked for and refused", async () => {
  expect((await kubectl(["auth", "can-i", "delete", "pods"])).out).toBe("yes\n");
  expect((await kubectl(["auth", "can-i", "delete", "pods", "--as=alice"])).out).toBe("no\n");
  expect((await kubectl(["--context=alice", "get", "secrets"])).err).toBe(
    'Error from server (Forbidden): secrets is forbidden: User "alice" cannot list resource "secrets" in API group "" in the namespace "default"\n',
  );
  expect((await kubectl(["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"])).out).toBe("admin");
});

test("wait follows a watch until the condition comes", async () => {
  await kubectl(["create", "configmap", "later", "--from-literal=ready=no"]);
  const waiting = kubectl(["wait", "configmap/later", "--for=jsonpath={.data.ready}=yes", "--timeout=20s"]);
  const watches = /^apiserver_longrunning_requests\{[^}]*resource="configmaps"[^}]*\} 1$/m;
  await expect.poll(async () => (await kubectl(["get", "--raw", "/metrics"])).out).toMatch(watches);
  await kubectl(["patch", "configmap", "later", "-p", '{"data":{"ready":"yes"}}']);
  expect((await waiting).out).toBe("configmap/later condition met\n");
});

test("a long list comes in chunks", async () => {
  for (let i = 0; i < 30; i++) await running.client.create(chunk.resource, chunk.object(i));
  const { out } = await kubectl(["get", "secrets", "--chunk-size=7", "-o", "name"]);
  expect(out.trim().split("\n")).toHaveLength(30);
});

const chunk = {
  resource: (await import("../../src/api/types/resources.ts")).Secrets,
  object: (i: number) => ({
    apiVersion: "v1" as const,
    kind: "Secret" as const,
    metadata: { name: `s${String(i).padStart(2, "0")}`, namespace: "default" },
  }),
};

test("custom resources are printed by their columns, explained, and applied", async () => {
  const definition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: shirts.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: shirts, singular: shirt, kind: Shirt, shortNames: [sh]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties: {color: {type: string, description: What one sees.}}
    additionalPrinterColumns: [{name: Color, type: string, jsonPath: .spec.color}]
`;
  expect((await kubectl(["apply", "-f", "-"], definition)).out).toBe(
    "customresourcedefinition.apiextensions.k8s.io/shirts.stable.example.com created\n",
  );
  expect((await kubectl(["wait", "crd/shirts.stable.example.com", "--for=condition=Established"])).out).toContain("condition met");
  const shirt = "apiVersion: stable.example.com/v1\nkind: Shirt\nmetadata: {name: mine}\nspec: {color: blue}\n";
  expect((await kubectl(["apply", "-f", "-"], shirt)).out).toBe("shirt.stable.example.com/mine created\n");
  const second = await kubectl(["apply", "-f", "-"], shirt.replace("blue", "red"));
  expect(second).toMatchObject({ err: "", out: "shirt.stable.example.com/mine configured\n" });
  expect((await kubectl(["get", "sh"])).out).toMatch(/^NAME +COLOR\nmine +red\n$/);
  expect((await kubectl(["explain", "shirt.spec"])).out).toContain("What one sees.");
  expect((await kubectl(["delete", "crd", "shirts.stable.example.com"])).out).toContain("deleted");
  expect((await kubectl(["get", "sh"])).code).not.toBe(0);
});
