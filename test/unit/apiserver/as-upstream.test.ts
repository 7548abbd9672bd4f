import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, makeDefaultAccount, type RunningServer, startServer } from "./running-server.ts";

/** What upstream's API server answers to odd objects, as test/differential found it. */
let running: RunningServer;
beforeAll(async () => {
  running = await startServer();
  await makeDefaultAccount(running);
});
afterAll(() => running.stop());

const core = "/api/v1/namespaces/default";
const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const strategic = { "content-type": "application/strategic-merge-patch+json" };
const merge = { "content-type": "application/merge-patch+json" };
const post = (path: string, body: object): Promise<Answer> => running.request("POST", `${path}?dryRun=All&fieldManager=me`, body);
const ownedBy = ({ body }: Answer): unknown => body.metadata.managedFields?.[0].fieldsV1;
const causesOf = ({ body }: Answer): string[] =>
  (body.details?.causes ?? []).map(({ field, message }: { field: string; message: string }) => `${field}: ${message}`);

describe("empty lists that are always written", () => {
  test("are null once they are stored, and the maker's own where they were given", async () => {
    const role = await post("/apis/rbac.authorization.k8s.io/v1/clusterroles", { metadata: { name: "r" }, rules: [] });
    expect(role.body.rules).toBeNull();
    expect(ownedBy(role)).toEqual({ "f:rules": {} });
    const node = await post("/apis/storage.k8s.io/v1/csinodes", { metadata: { name: "n" }, spec: { drivers: [] } });
    expect(node.body.spec).toEqual({ drivers: null });
    expect(ownedBy(node)).toEqual({ "f:spec": { "f:drivers": {} } });
    expect(ownedBy(await post("/apis/storage.k8s.io/v1/csinodes", { metadata: { name: "n" }, spec: {} }))).toBeUndefined();
  });

  test("of Jobs' failure policies and LimitRanges do not trouble who reads them", async () => {
    const template = { spec: { restartPolicy: "Never", containers: [{ name: "c", image: "i" }] } };
    const job = await post("/apis/batch/v1/namespaces/default/jobs", { metadata: { name: "j" }, spec: { template, podFailurePolicy: {} } });
    expect(job.body.spec.podFailurePolicy).toEqual({ rules: null });
    const range = await running.request("POST", `${core}/limitranges`, { metadata: { name: "none" } });
    expect(range.body.spec).toEqual({ limits: null });
    expect((await post(`${core}/pods`, { metadata: { name: "p" }, spec: template.spec })).code).toBe(201);
  });

  test("of containers are refused", async () => {
    expect(causesOf(await post(`${core}/pods`, { metadata: { name: "p" }, spec: { containers: [] } }))).toContain(
      "spec.containers: Required value",
    );
  });
});

describe("metadata", () => {
  test("a LimitRange without a name gets one", async () => {
    expect((await post(`${core}/limitranges`, { spec: { limits: [] } })).body.metadata.name).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("an owner that is there twice is there once, with a warning", async () => {
    const owner = { apiVersion: "v1", kind: "ConfigMap", name: "o", uid: "11111111-2222-3333-4444-555555555555", controller: true };
    const made = await post(`${core}/configmaps`, { metadata: { name: "m", ownerReferences: [owner, owner] } });
    expect(made.body.metadata.ownerReferences).toEqual([owner]);
    expect(made.headers.get("warning")).toContain(`contains duplicate entries; API server dedups owner references`);
    await running.request("POST", `${core}/configmaps`, { metadata: { name: "owned" } });
    const owners = { metadata: { ownerReferences: [owner, owner] } };
    const changed = await running.request("PATCH", `${core}/configmaps/owned`, owners, merge);
    expect(changed.body.metadata.ownerReferences).toEqual([owner]);
    expect(changed.headers.get("warning")).toContain("duplicate entries after mutating admission happens");
  });
});

describe("who owns the fields", () => {
  test("of an object whose list has an item without its key: nobody", async () => {
    const named = await post(`${core}/serviceaccounts`, { metadata: { name: "a" }, secrets: [{ name: "s" }] });
    expect(ownedBy(named)).toEqual({ "f:secrets": { ".": {}, 'k:{"name":"s"}': {} } });
    const nameless = await post(`${core}/serviceaccounts`, { metadata: { name: "a" }, secrets: [{}] });
    expect([nameless.code, ownedBy(nameless)]).toEqual([201, undefined]);
    const body = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "a" }, secrets: [{}] };
    const applied = await running.request("PATCH", `${core}/serviceaccounts/a?fieldManager=me`, body, {
      "content-type": "application/apply-patch+yaml",
    });
    expect([applied.code, applied.body.message]).toEqual([400, expect.stringContaining('omits all key fields ["name"]')]);
  });

  test("of secrets to pull with, whose name may be left out: their maker", async () => {
    const spec = { containers: [{ name: "c", image: "i" }], imagePullSecrets: [{}] };
    expect(ownedBy(await post(`${core}/pods`, { metadata: { name: "p" }, spec }))).toMatchObject({
      "f:spec": { "f:imagePullSecrets": { ".": {}, 'k:{"name":""}': {} } },
    });
  });

  test("a ReplicationController's default of one replica is its maker's", async () => {
    const template = { metadata: { labels: { app: "a" } }, spec: { containers: [{ name: "c", image: "i" }] } };
    const made = await post(`${core}/replicationcontrollers`, { metadata: { name: "rc" }, spec: { template } });
    expect(made.body.spec.replicas).toBe(1);
    expect(ownedBy(made)).toMatchObject({ "f:spec": { "f:replicas": {} } });
  });

  test("a list that is applied as a whole conflicts with the one that got its defaults", async () => {
    const webhook = {
      name: "a.example.com",
      clientConfig: { url: "https://example.com" },
      admissionReviewVersions: ["v1"],
      sideEffects: "None",
      rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["things"] }],
    };
    const path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
    const config = { apiVersion: "admissionregistration.k8s.io/v1", kind: "MutatingWebhookConfiguration", metadata: { name: "w" } };
    await running.request("POST", `${path}?fieldManager=other`, { ...config, webhooks: [webhook] });
    const applied = await running.request(
      "PATCH",
      `${path}/w?fieldManager=me`,
      { ...config, webhooks: [webhook] },
      {
        "content-type": "application/apply-patch+yaml",
      },
    );
    expect(causesOf(applied)).toEqual([
      '.webhooks[name="a.example.com"].rules: conflict with "other" using admissionregistration.k8s.io/v1',
    ]);
  });
});

test("a change of metadata is looked at by each kind as often as upstream does", async () => {
  const change = { metadata: { labels: { a: "Bad Value!" }, finalizers: ["a b/c"] } };
  const causes = async (path: string): Promise<number[]> => {
    const fields = causesOf(await running.request("PATCH", path, change, merge)).map((cause) => cause.split(":", 1)[0]);
    return ["metadata.labels", "metadata.finalizers"].map((field) => fields.filter((other) => other === field).length);
  };
  await running.request("POST", `${core}/configmaps`, { metadata: { name: "changed" } });
  await running.request("POST", `${core}/resourcequotas`, { metadata: { name: "changed" } });
  expect(await causes(`${core}/configmaps/changed`)).toEqual([4, 2]);
  expect(await causes(`${core}/resourcequotas/changed`)).toEqual([3, 1]);
});

test("a balancer's class that is changed to none that there can be is told of it twice", async () => {
  const spec = { type: "LoadBalancer", loadBalancerClass: "a.example.com/b", ports: [{ port: 80 }] };
  await running.request("POST", `${core}/services`, { metadata: { name: "lb" }, spec });
  const causes = causesOf(await running.request("PATCH", `${core}/services/lb`, { spec: { loadBalancerClass: "Bad Value!" } }, merge));
  expect(causes.filter((cause) => cause.includes("name part must consist of"))).toHaveLength(2);
});

test("an autoscaler's policies may be left out, but not be none", async () => {
  const spec = { scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "d" }, maxReplicas: 2, metrics: [] };
  const made = (policies: object): Promise<Answer> =>
    post("/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers", {
      metadata: { name: "h" },
      spec: { ...spec, behavior: { scaleUp: policies } },
    });
  expect((await made({})).body.spec.behavior.scaleUp.policies).toHaveLength(2);
  expect(causesOf(await made({ policies: [] }))).toEqual([
    "spec.behavior.scaleUp.policies: Required value: must specify at least one Policy",
  ]);
});

test("what changed in a volume's source is shown", async () => {
  const spec = { capacity: { storage: "1Gi" }, accessModes: ["ReadWriteOnce"], hostPath: { path: "/a" } };
  await running.request("POST", "/api/v1/persistentvolumes", { metadata: { name: "sourced" }, spec });
  const changed = await running.request("PATCH", "/api/v1/persistentvolumes/sourced", { spec: { hostPath: { path: "/b" } } }, merge);
  expect(causesOf(changed)).toHaveLength(1);
  expect(changed.body.message).toContain('-  "Path": "/a",\n+  "Path": "/b",\n   "Type": ""');
});

describe("a Service's node ports", () => {
  const ports = (...given: object[]): object => ({ metadata: { name: "s" }, spec: { type: "NodePort", ports: given } });
  const one = { name: "a", port: 80, nodePort: 30080, protocol: "TCP" };

  test("are its ports' own, unless these differ by their protocol alone", async () => {
    const causes = async (other: object): Promise<string[]> =>
      causesOf(await post(`${core}/services`, ports(one, { ...one, name: "b", ...other })));
    expect(await causes({ protocol: "UDP" })).toEqual([]);
    expect(await causes({ protocol: "UDP", port: 81 })).toEqual([
      "spec.ports[1].nodePort: Invalid value: 30080: provided port is already allocated",
    ]);
    expect(await causes({})).toContain("spec.ports[1].nodePort: Duplicate value: 30080");
  });
});

describe("definitions of custom resources", () => {
  const schema = { type: "object", properties: { n: { type: "integer" }, list: { type: "array", items: { type: "string" } } } };
  const definition = (properties: object = {}, spec: object = {}): object => ({
    metadata: { name: "probes.example.com" },
    spec: {
      group: "example.com",
      scope: "Cluster",
      names: { plural: "probes", kind: "Probe" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { ...schema, properties } } }],
      ...spec,
    },
  });
  const created = async (properties: object, spec: object = {}): Promise<string[]> =>
    causesOf(await post(definitions, definition(properties, spec)));
  const root = "spec.validation.openAPIV3Schema.properties";

  test("a name that comes twice is stored as the first only", async () => {
    const version = { name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema } };
    expect(await created({}, { versions: [version, version] })).toContain(
      'status.storedVersions: Invalid value: ["v1"]: must have the storage version v1',
    );
    expect((await created({}, { versions: [{ ...version, name: "" }] })).filter((cause) => cause.startsWith("status"))).toEqual([]);
  });

  test("defaults need unknown fields to be dropped", async () => {
    const field = "spec.preserveUnknownFields: Invalid value: true";
    expect(await created({ n: { type: "integer", default: 1 } }, { preserveUnknownFields: true })).toContain(
      `${field}: must be false in order to use defaults in the schema`,
    );
    expect(await created({ n: { type: "integer" } }, { preserveUnknownFields: true })).toHaveLength(1);
  });

  test("limits of whole numbers are whole", async () => {
    const numbers = { least: { type: "integer", minimum: 1.5, default: 1 }, own: { type: "integer", default: 1.5 } };
    expect(await created(numbers)).toEqual([
      `${root}[least].default: Invalid value: "": Minimum boundary value must be of type integer (default format) in `,
      `${root}[least].default: Invalid value: 1:  in body should be greater than or equal to 1.5`,
      `${root}[own].default: Invalid value: "number":  in body must be of type integer: "number"`,
      `${root}[own].default: Invalid value: "": Checked value must be of type integer (default format) in `,
    ]);
  });

  test("unknown formats are warned of once they are new, of numbers too, even where the definition is there already", async () => {
    const odd = definition({
      n: { type: "integer", format: "odd" },
      s: { type: "string", format: "odder" },
      i: { type: "integer", format: "int32" },
    });
    const warnings = '299 - "unrecognized format \\"odd\\"", 299 - "unrecognized format \\"odder\\""';
    expect((await running.request("POST", definitions, odd)).headers.get("warning")).toBe(warnings);
    const again = await post(definitions, odd);
    expect([again.code, again.headers.get("warning")]).toEqual([409, warnings]);
    const change = { metadata: { labels: { a: "b" } } };
    expect((await running.request("PATCH", `${definitions}/probes.example.com`, change, merge)).headers.get("warning")).toBeNull();
  });

  test("what is no schema is none, and unknown fields in one for items are nothing to tell", async () => {
    expect(await created({ list: { type: "array", items: "text" } })).toEqual([`${root}[list].items: Required value: must be specified`]);
    const map = { type: "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], items: 1 };
    expect(await created({ list: map })).toContain(
      `${root}[list].items: Invalid value: {"Schema":null,"JSONSchemas":null}: must only have a single schema if x-kubernetes-list-type is map`,
    );
    const strict = await running.request(
      "POST",
      `${definitions}?fieldValidation=Strict&dryRun=All`,
      definition({ list: { type: "array", items: { type: "string", nope: 1 } } }),
    );
    expect(strict.body.message).not.toContain("nope");
    const unfit = await post(definitions, definition({ n: { type: "object", additionalProperties: "text" } }));
    expect(unfit.body.message).toContain("boolean or JSON schema expected");
    expect((await post(definitions, definition({ n: { type: "string", enum: {} } }))).body.message).toMatch(
      /properties\.enum of type \[\]v1\.JSON$/,
    );
  });

  test("a strategic patch forgets the keys of maps where it tells of unknown fields", async () => {
    const versions = (n: object): object => ({
      spec: { versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { ...schema, properties: { n } } } }] },
    });
    const patch = async (n: object): Promise<string> =>
      (await running.request("PATCH", `${definitions}/probes.example.com?fieldValidation=Strict`, versions(n), strategic)).body.message;
    expect(await patch({ type: "integer", nope: 1 })).toContain('unknown field "spec.versions[0].schema.openAPIV3Schema.properties.nope"');
    expect(await patch({ type: "array", items: { required: {} } })).toContain(
      "json: cannot unmarshal object into Go struct field JSONSchemaProps.required of type []string",
    );
  });
});

test("attributes of devices are told by Go's name of their keys", async () => {
  const spec = {
    driver: "d.example.com",
    pool: { name: "p", resourceSliceCount: 1 },
    nodeName: "n",
    devices: [{ name: "d", attributes: "text" }],
  };
  expect((await post("/apis/resource.k8s.io/v1/resourceslices", { metadata: { name: "s" }, spec })).body.message).toMatch(
    /of type map\[v1\.QualifiedName\]v1\.DeviceAttribute$/,
  );
});

test("a signing request without a request is told of bytes that are not there", async () => {
  const made = await post("/apis/certificates.k8s.io/v1/certificatesigningrequests", { metadata: { name: "c" }, spec: {} });
  expect(causesOf(made)).toContain("spec.request: Invalid value: null: PEM block type must be CERTIFICATE REQUEST");
});

test("a ReplicationController's name is measured in bytes", async () => {
  const name = "x".repeat(300);
  expect(causesOf(await post(`${core}/replicationcontrollers`, { metadata: { name }, spec: {} }))).toContain(
    `metadata.name: Invalid value: "${name}": must be no more than 253 bytes`,
  );
});

describe("pods", () => {
  const made = (spec: object): Promise<Answer> =>
    post(`${core}/pods`, { metadata: { name: "p" }, spec: { containers: [{ name: "c", image: "i" }], ...spec } });

  test("their makers are warned of what is allowed and makes no sense", async () => {
    const containers = [{ name: "c", image: "i", ports: [{ name: "dns", containerPort: 53, protocol: "UDP", hostIP: "127.0.0.1" }] }];
    const file = (path: string): object => ({ path, fieldRef: { fieldPath: "metadata.labels" } });
    const volumes = [{ name: "v", downwardAPI: { items: [file("a"), file("a/b"), file("c")] } }];
    const preference = { matchExpressions: [{ key: "beta.kubernetes.io/os", operator: "In", values: ["Bad Value!"] }] };
    const affinity = { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, preference }] } };
    const { headers } = await made({ containers, volumes, affinity });
    const warning = headers.get("warning") ?? "";
    expect(warning).toContain(
      "spec.containers[0].ports[0]: hostIP set without hostPort: {Name:dns HostPort:0 ContainerPort:53 Protocol:UDP HostIP:127.0.0.1}",
    );
    expect(warning).toContain(String.raw`volume \"v\" (DownwardAPI): overlapping paths: \"a/b\" with \"a\"`);
    expect(warning.match(/overlapping/g)).toHaveLength(1);
    const at = "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0]";
    expect(warning).toContain(String.raw`${at}.key: beta.kubernetes.io/os is deprecated since v1.14; use \"kubernetes.io/os\" instead`);
    expect(warning).toContain(`${at}.values[0]: Bad Value! is invalid, a valid label must be`);
  });

  test("a change that takes an image away is told what else it may not change", async () => {
    await running.request("POST", `${core}/pods`, { metadata: { name: "running" }, spec: { containers: [{ name: "c", image: "i" }] } });
    const body = { metadata: { name: "running" }, spec: { containers: [{ name: "d" }] } };
    const causes = causesOf(await running.request("PUT", `${core}/pods/running`, body));
    expect(causes).toContain("spec.containers[0].image: Required value");
    expect(causes.some((cause) => cause.startsWith("spec: Forbidden: pod updates may not change fields"))).toBe(true);
  });
});

test("a volume's node affinity may take the new names of labels, and nothing else", async () => {
  const affinity = (key: string): object => ({
    required: { nodeSelectorTerms: [{ matchExpressions: [{ key, operator: "In", values: ["a"] }] }] },
  });
  const spec = { capacity: { storage: "1Gi" }, accessModes: ["ReadWriteOnce"], local: { path: "/a" } };
  const nodeAffinity = affinity("failure-domain.beta.kubernetes.io/zone");
  await running.request("POST", "/api/v1/persistentvolumes", { metadata: { name: "v" }, spec: { ...spec, nodeAffinity } });
  const changed = (key: string): Promise<Answer> =>
    running.request("PATCH", "/api/v1/persistentvolumes/v?dryRun=All", { spec: { nodeAffinity: affinity(key) } }, merge);
  expect((await changed("topology.kubernetes.io/zone")).code).toBe(200);
  expect(causesOf(await changed("topology.kubernetes.io/region"))).toEqual([
    expect.stringMatching(/^nodeAffinity: .*except for updating from beta label to GA$/),
  ]);
});

test("names that JavaScript's objects have by themselves are names like others", async () => {
  const range = await post(`${core}/limitranges`, {
    metadata: { name: "l" },
    spec: { limits: [{ type: "Container", max: { cpu: "1" }, min: { toString: "1" }, maxLimitRequestRatio: { cpu: "2" } }] },
  });
  expect(causesOf(range)[0]).toContain("spec.limits[0].min[toString]");
  const resources = { limits: { cpu: "1" }, requests: { hasOwnProperty: "1", cpu: "1" } };
  const pod = await post(`${core}/pods`, { metadata: { name: "p" }, spec: { containers: [{ name: "c", image: "i", resources }] } });
  expect(causesOf(pod)[0]).toContain("resources.requests[hasOwnProperty]");
});
