import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Pods, Services } from "../../../src/api/types/resources.ts";
import { configMap, makeDefaultAccount, type RunningServer, startServer } from "./running-server.ts";

let running: RunningServer;
beforeAll(async () => {
  running = await startServer();
  await makeDefaultAccount(running);
});
afterAll(() => running.stop());

const maps = "/api/v1/namespaces/default/configmaps";
const pods = "/api/v1/namespaces/default/pods";
const deployments = "/apis/apps/v1/namespaces/default/deployments";
const merge = { "content-type": "application/merge-patch+json" };
const strategic = { "content-type": "application/strategic-merge-patch+json" };
const json = { "content-type": "application/json-patch+json" };
const request: RunningServer["request"] = (...args) => running.request(...args);
const pod = (name: string, metadata: object = {}, spec: object = {}): object => ({
  metadata: { name, ...metadata },
  spec: { containers: [{ name: "c", image: "i" }], ...spec },
});
const template = { metadata: { labels: { app: "w" } }, spec: { containers: [{ name: "c", image: "i" }] } };
const deployment = (name: string): object => ({
  metadata: { name },
  spec: { replicas: 1, selector: { matchLabels: { app: "w" } }, template },
});

describe("create", () => {
  test("sets what only the server sets", async () => {
    const sent = configMap(
      "made",
      { a: "b" },
      { uid: "mine", creationTimestamp: "2020-01-01T00:00:00Z", selfLink: "/x", managedFields: [] },
    );
    const { code, body } = await request("POST", maps, sent);
    expect(code).toBe(201);
    expect(body).toMatchObject({ kind: "ConfigMap", apiVersion: "v1", data: { a: "b" }, metadata: { name: "made", namespace: "default" } });
    expect(body.metadata.uid).not.toBe("mine");
    expect(body.metadata.creationTimestamp).toMatch(/^2\d{3}-.*Z$/);
    expect(body.metadata.creationTimestamp).not.toContain("2020");
    expect(Number(body.metadata.resourceVersion)).toBeGreaterThan(0);
    const fieldsV1 = { "f:data": { ".": {}, "f:a": {} } };
    expect(body.metadata.managedFields).toMatchObject([{ manager: "undici", operation: "Update", fieldsV1 }]);
  });

  test("makes names from generateName", async () => {
    const names = await Promise.all(
      Array.from({ length: 20 }, async () => (await request("POST", maps, { metadata: { generateName: "gen-" } })).body.metadata.name),
    );
    expect(new Set(names).size).toBe(20);
    for (const name of names) expect(name).toMatch(/^gen-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  });

  test.each([
    [
      "apis/apps/v1/namespaces/default/controllerrevisions",
      'ControllerRevision.apps "x" is invalid: data: Required value: data is mandatory',
    ],
    [
      "apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
      'EndpointSlice.discovery.k8s.io "x" is invalid: addressType: Required value',
    ],
    ["apis/node.k8s.io/v1/runtimeclasses", 'RuntimeClass.node.k8s.io "x" is invalid: handler: Required value'],
  ])("of %s needs more than a name", async (path, message) => {
    expect((await request("POST", `/${path}`, { metadata: { name: "x" } })).body).toMatchObject({ code: 422, message });
  });

  test("what follows from a name is made from generated names, too", async () => {
    const spec = { template: { spec: { ...Reflect.get(pod("x"), "spec"), restartPolicy: "Never" } } };
    const job = (await request("POST", "/apis/batch/v1/namespaces/default/jobs", { metadata: { generateName: "j-" }, spec })).body;
    expect(job.spec.template.metadata.labels["job-name"]).toBe(job.metadata.name);
    const space = (await request("POST", "/api/v1/namespaces", { metadata: { generateName: "n-" } })).body;
    expect(space.metadata.labels["kubernetes.io/metadata.name"]).toBe(space.metadata.name);
  });

  test.each([
    ["a taken name", maps, configMap("made"), 409, 'configmaps "made" already exists'],
    [
      "another namespace",
      maps,
      configMap("x", {}, { namespace: "other" }),
      400,
      "the namespace of the provided object does not match the namespace sent on the request",
    ],
    ["no name", maps, { metadata: {} }, 422, 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'],
    [
      "another kind",
      maps,
      { kind: "Pod", apiVersion: "v1", metadata: { name: "q" } },
      400,
      'Pod in version "v1" cannot be handled as a ConfigMap: converting (v1.Pod) to (v1.ConfigMap): unknown conversion',
    ],
    [
      "a resourceVersion",
      maps,
      configMap("x", {}, { resourceVersion: "5" }),
      400,
      "resourceVersion should not be set on objects to be created",
    ],
    ["a missing namespace", "/api/v1/namespaces/nons/configmaps", { metadata: { name: "x" } }, 404, 'namespaces "nons" not found'],
    [
      "a wrong dryRun",
      `${maps}?dryRun=Foo`,
      configMap("x"),
      422,
      'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Foo"]: supported values: "All"',
    ],
    [
      "broken JSON",
      maps,
      "{",
      400,
      "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: unexpected end of JSON input ({)",
    ],
  ])("refuses %s", async (_what, path, body, code, message) => {
    const answer = await request("POST", path, body);
    expect(answer.body).toMatchObject({ kind: "Status", status: "Failure", code });
    if (_what !== "another kind") expect(answer.body.message).toBe(message);
    expect(answer.code).toBe(code);
  });

  test("unknown fields are warned of, or refused when asked", async () => {
    const sent = { metadata: { name: "fields" }, extra: 1 };
    const warned = await request("POST", `${maps}?dryRun=All`, sent);
    expect(warned.headers.get("warning")).toBe('299 - "unknown field \\"extra\\""');
    expect(warned.body).not.toHaveProperty("extra");
    const strict = await request("POST", `${maps}?fieldValidation=Strict`, sent);
    expect(strict.body.message).toBe(
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "extra"',
    );
    expect((await request("POST", `${maps}?dryRun=All&fieldValidation=Ignore`, sent)).headers.get("warning")).toBeNull();
  });

  test("status is the server's", async () => {
    const { body } = await request("POST", deployments, { ...deployment("status"), status: { replicas: 5 } });
    expect(body.status).toEqual({});
    expect(body.metadata.generation).toBe(1);
  });

  test("a dry run runs everything and stores nothing", async () => {
    expect((await request("POST", `${maps}?dryRun=All`, configMap("dry"))).code).toBe(201);
    expect((await request("GET", `${maps}/dry`)).code).toBe(404);
  });
});

describe("update", () => {
  test("replaces, and refuses what was read too long ago", async () => {
    const { body: made } = await request("POST", maps, configMap("up", { a: "1" }));
    const { body: second } = await request("PUT", `${maps}/up`, { ...made, data: { a: "2" } });
    expect(second.metadata.uid).toBe(made.metadata.uid);
    expect(second.metadata.resourceVersion).not.toBe(made.metadata.resourceVersion);
    const late = await request("PUT", `${maps}/up`, made);
    expect(late.body).toMatchObject({
      code: 409,
      reason: "Conflict",
      message:
        'Operation cannot be fulfilled on configmaps "up": the object has been modified; please apply your changes to the latest version and try again',
      details: { name: "up", kind: "configmaps" },
    });
  });

  test("writes nothing when nothing changes", async () => {
    const { body: made } = await request("POST", maps, configMap("same", { a: "1" }));
    const { code, body } = await request("PUT", `${maps}/same`, made);
    expect(code).toBe(200);
    expect(body.metadata.resourceVersion).toBe(made.metadata.resourceVersion);
  });

  test.each([
    ["another name", configMap("other"), 400, "the name of the object (other) does not match the name on the URL (up)"],
    ["another uid", configMap("up", {}, { uid: "foo" }), 409, /Precondition failed: UID in precondition: foo, UID in object meta: /],
    ["a missing object", configMap("none"), 404, 'configmaps "none" not found'],
  ])("refuses %s", async (what, body, code, message) => {
    const answer = await request("PUT", `${maps}/${what === "a missing object" ? "none" : "up"}`, body);
    expect(answer.code).toBe(code);
    expect(answer.body.message).toMatch(message);
  });

  test("a few old kinds are created by PUT", async () => {
    const path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l";
    expect((await request("PUT", path, { metadata: { name: "l" }, spec: {} })).code).toBe(201);
    expect((await request("PUT", path, { metadata: { name: "l" }, spec: {} })).body.message).toContain(
      "metadata.resourceVersion: Invalid value: 0: must be specified for an update",
    );
  });

  test("the generation counts changes of the spec; a Deployment's annotations count too", async () => {
    await request("POST", deployments, deployment("gen"));
    const patch = async (body: object, path = ""): Promise<number> =>
      (await request("PATCH", `${deployments}/gen${path}`, body, merge)).body.metadata.generation;
    expect(await patch({ metadata: { labels: { x: "y" } } })).toBe(1);
    expect(await patch({ status: { replicas: 1, observedGeneration: 1 } }, "/status")).toBe(1);
    expect(await patch({ spec: { replicas: 2 } })).toBe(2);
    expect(await patch({ metadata: { annotations: { x: "y" } } })).toBe(3);
  });

  test("status and the rest change by different paths", async () => {
    const { body: made } = await request("POST", deployments, deployment("parts"));
    const main = await request("PUT", `${deployments}/parts`, { ...made, status: { replicas: 9 } });
    expect(main.body.status).toEqual({});
    const changed = { ...made, spec: { ...made.spec, replicas: 9 }, status: { replicas: 3 } };
    const status = await request("PUT", `${deployments}/parts/status`, changed);
    expect(status.body).toMatchObject({ spec: { replicas: 1 }, status: { replicas: 3 } });
    expect((await request("GET", `${deployments}/parts/status`)).body.status.replicas).toBe(3);
  });
});

describe("patch", () => {
  test("all formats", async () => {
    await request("POST", deployments, deployment("patched"));
    const at = `${deployments}/patched`;
    const added = await request("PATCH", at, { spec: { template: { spec: { containers: [{ name: "d", image: "j" }] } } } }, strategic);
    expect(added.body.spec.template.spec.containers.map(({ name }: { name: string }) => name).sort()).toEqual(["c", "d"]);
    const replaced = await request("PATCH", at, { spec: { template: { spec: { containers: [{ name: "e", image: "k" }] } } } }, merge);
    expect(replaced.body.spec.template.spec.containers.map(({ name }: { name: string }) => name)).toEqual(["e"]);
    const set = await request("PATCH", at, [{ op: "replace", path: "/spec/replicas", value: 7 }], json);
    expect(set.body.spec.replicas).toBe(7);
  });

  test("patches that race are all kept", async () => {
    await request("POST", maps, configMap("race"));
    const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
    const answers = await Promise.all(keys.map((key) => request("PATCH", `${maps}/race`, { data: { [key]: "x" } }, merge)));
    expect(answers.map(({ code }) => code)).toEqual(keys.map(() => 200));
    expect(Object.keys((await request("GET", `${maps}/race`)).body.data).sort()).toEqual(keys.sort());
  });

  test("a patch that carries an old resourceVersion is a conflict", async () => {
    const stale = await request("PATCH", `${maps}/race`, { metadata: { resourceVersion: "1" }, data: { z: "z" } }, merge);
    expect(stale.code).toBe(409);
  });

  test.each([
    [
      "a list where an object belongs",
      [1],
      merge,
      400,
      "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
    ],
    ["another name", { metadata: { name: "c2" } }, merge, 400, "the name of the object (c2) does not match the name on the URL (race)"],
    [
      "another uid",
      { metadata: { uid: "c2" } },
      merge,
      422,
      'ConfigMap "race" is invalid: metadata.uid: Invalid value: "c2": field is immutable',
    ],
    [
      "another kind of a version that is no text",
      { kind: "Other", apiVersion: { toString: null } },
      merge,
      422,
      /json: cannot unmarshal object into Go struct field \.apiVersion of type string$/,
    ],
    [
      "unknown fields, when asked",
      { foo: 1 },
      strategic,
      422,
      ' "" is invalid: patch: Invalid value: "map[foo:1]": strict decoding error: unknown field "foo"',
    ],
    [
      "unknown fields by a merge patch, when asked",
      { foo: 1 },
      merge,
      422,
      /^ "" is invalid: patch: Invalid value: .*name.*race.*: strict decoding error: unknown field "foo"$/,
    ],
    ...(
      [
        [{ metadata: { annotations: { a: 7 } } }, "map[metadata:map[annotations:map[a:7]]]", "cannot convert int64 to string"],
        [{ metadata: { labels: { a: { b: null } } } }, "map[metadata:map[labels:map[a:map[]]]]", "unrecognized type: string"],
        [{ metadata: "text" }, "map[metadata:text]", "cannot restore struct from: string"],
        [{ data: ["x", null] }, "map[data:[x <nil>]]", "cannot restore map from slice"],
        [{ metadata: { finalizers: { a: 1.5 } } }, "map[metadata:map[finalizers:map[a:1.5]]]", "cannot restore slice from map"],
        [{ metadata: { generation: 1.5 } }, "map[metadata:map[generation:1.5]]", "cannot convert float64 to int64"],
        [
          { metadata: { ownerReferences: [{ uid: 7 }] } },
          "map[metadata:map[ownerReferences:[map[uid:7]]]]",
          "cannot convert int64 to types.UID",
        ],
        [{ binaryData: { a: "!" } }, "map[binaryData:map[a:!]]", "error decoding from json: illegal base64 data at input byte 0"],
        [
          { metadata: { creationTimestamp: 7 } },
          "map[metadata:map[creationTimestamp:7]]",
          "json: cannot unmarshal number into Go value of type string",
        ],
      ] as const
    ).map(([body, shown, why]): [string, object, typeof strategic, number, string] => [
      `what Go cannot convert: ${shown}`,
      body,
      strategic,
      422,
      ` "" is invalid: patch: Invalid value: "${shown}": ${why}`,
    ]),
  ])("refuses %s", async (_what, body, headers, code, message) => {
    const answer = await request("PATCH", `${maps}/race?fieldValidation=Strict`, body, headers);
    expect(answer.code).toBe(code);
    expect(answer.body.message).toMatch(message);
  });

  test("a media type that is no patch is refused", async () => {
    const answer = await request("PATCH", `${maps}/race`, {}, { "content-type": "application/foo" });
    expect(answer.body).toMatchObject({ code: 415, message: "415: Unsupported Media Type" });
  });
});

describe("delete", () => {
  test("answers a Status, or the object where the kind always did", async () => {
    const { body: made } = await request("POST", maps, configMap("gone"));
    expect((await request("DELETE", `${maps}/gone`)).body).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Success",
      details: { name: "gone", kind: "configmaps", uid: made.metadata.uid },
    });
    await request("POST", "/api/v1/namespaces/default/serviceaccounts", { metadata: { name: "sa" } });
    expect((await request("DELETE", "/api/v1/namespaces/default/serviceaccounts/sa")).body.kind).toBe("ServiceAccount");
  });

  test("keeps its preconditions", async () => {
    const { body: made } = await request("POST", maps, configMap("pre"));
    const uid = await request("DELETE", `${maps}/pre`, { preconditions: { uid: "abc" } });
    expect(uid.body.message).toBe(
      `Operation cannot be fulfilled on ConfigMap "pre": the UID in the precondition (abc) does not match the UID in record (${made.metadata.uid}). The object might have been deleted and then recreated`,
    );
    expect((await request("DELETE", `${maps}/pre`, { preconditions: { resourceVersion: "1" } })).code).toBe(409);
    const body = { apiVersion: "v1", kind: "DeleteOptions", preconditions: { uid: made.metadata.uid } };
    expect((await request("DELETE", `${maps}/pre`, body)).code).toBe(200);
  });

  test.each([
    [
      { propagationPolicy: "Foo" },
      'propagationPolicy: Unsupported value: "Foo": supported values: "Foreground", "Background", "Orphan", "nil"',
    ],
    [
      { propagationPolicy: "Orphan", orphanDependents: true },
      'propagationPolicy: Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set',
    ],
  ])("refuses the options %j", async (options, message) => {
    await request("POST", maps, configMap("stays"));
    const answer = await request("DELETE", `${maps}/stays`, options);
    expect(answer.body.message).toBe(`DeleteOptions.meta.k8s.io "" is invalid: ${message}`);
  });

  test("waits for finalizers, and goes with the last of them", async () => {
    await request("POST", maps, configMap("held", {}, { finalizers: ["example.com/hold"] }));
    const { body } = await request("DELETE", `${maps}/held`);
    expect(body).toMatchObject({ kind: "ConfigMap", metadata: { deletionGracePeriodSeconds: 0, finalizers: ["example.com/hold"] } });
    expect(body.metadata.deletionTimestamp).toBeTruthy();
    const again = await request("DELETE", `${maps}/held`, { propagationPolicy: "Foreground" });
    expect((await request("DELETE", `${maps}/held`)).body.metadata).toEqual(again.body.metadata);
    const more = await request("PATCH", `${maps}/held`, { metadata: { finalizers: ["example.com/hold", "example.com/more"] } }, merge);
    expect(more.code).toBe(422);
    expect((await request("PATCH", `${maps}/held`, { metadata: { finalizers: null } }, merge)).code).toBe(200);
    expect((await request("GET", `${maps}/held`)).code).toBe(404);
  });

  test.each([
    ["Foreground", "foregroundDeletion"],
    ["Orphan", "orphan"],
  ])("%s leaves the work to the garbage collector", async (propagationPolicy, finalizer) => {
    const name = propagationPolicy.toLowerCase();
    await request("POST", deployments, deployment(name));
    expect((await request("DELETE", `${deployments}/${name}`, { propagationPolicy })).body.metadata.finalizers).toEqual([finalizer]);
    expect((await request("GET", `${deployments}/${name}`)).body.metadata.deletionTimestamp).toBeTruthy();
  });

  test("a Job's pods are orphaned by default, with a warning", async () => {
    const jobs = "/apis/batch/v1/namespaces/default/jobs";
    await request("POST", jobs, { metadata: { name: "j" }, spec: { template: { spec: { ...template.spec, restartPolicy: "Never" } } } });
    const answer = await request("DELETE", `${jobs}/j`);
    expect(answer.body.metadata.finalizers).toContain("orphan");
    expect(answer.headers.get("warning")).toContain("child pods are preserved by default when jobs are deleted");
  });

  test("a pod on a node gets its grace period; one on no node goes at once", async () => {
    await request("POST", pods, pod("free"));
    expect((await request("DELETE", `${pods}/free`)).body).toMatchObject({ kind: "Pod" });
    expect((await request("GET", `${pods}/free`)).code).toBe(404);
    await request("POST", pods, pod("bound", {}, { nodeName: "n1", terminationGracePeriodSeconds: 60 }));
    const asked = Date.now();
    const { body } = await request("DELETE", `${pods}/bound`);
    expect(body.metadata.deletionGracePeriodSeconds).toBe(60);
    expect(Date.parse(body.metadata.deletionTimestamp) - asked).toBeGreaterThan(58_000);
    const again = await request("DELETE", `${pods}/bound`);
    expect(again.body.metadata.resourceVersion).toBe(body.metadata.resourceVersion);
    expect((await request("DELETE", `${pods}/bound?gracePeriodSeconds=5`)).body.metadata.deletionGracePeriodSeconds).toBe(5);
    await request("DELETE", `${pods}/bound?gracePeriodSeconds=0`);
    expect((await request("GET", `${pods}/bound`)).code).toBe(404);
    await request("POST", pods, pod("hasty", {}, { nodeName: "n1", terminationGracePeriodSeconds: 0 }));
    expect((await request("DELETE", `${pods}/hasty?gracePeriodSeconds=60`)).body.metadata.deletionGracePeriodSeconds).toBe(60);
  });

  test("of a collection obeys the selector and answers the list", async () => {
    for (const name of ["c1", "c2", "c3"]) await request("POST", maps, configMap(name, {}, { labels: { c: name } }));
    const { body } = await request("DELETE", `${maps}?labelSelector=c%20in%20(c1,c3)`);
    expect(body.kind).toBe("ConfigMapList");
    expect(body.items).toHaveLength(2);
    const left = await request("GET", `${maps}?labelSelector=c`);
    expect(left.body.items.map(({ metadata }: { metadata: { name: string } }) => metadata.name)).toEqual(["c2"]);
  });

  test("a dry run deletes nothing", async () => {
    expect((await request("DELETE", `${maps}/c2?dryRun=All`)).code).toBe(200);
    expect((await request("DELETE", `${maps}/c2`, { dryRun: ["All"] })).code).toBe(200);
    expect((await request("GET", `${maps}/c2`)).code).toBe(200);
  });
});

describe("namespaces", () => {
  test("stay until finalize lets them go, and take nothing new meanwhile", async () => {
    await request("POST", "/api/v1/namespaces", { metadata: { name: "temp" } });
    const { body } = await request("DELETE", "/api/v1/namespaces/temp");
    expect(body).toMatchObject({ kind: "Namespace", status: { phase: "Terminating" }, spec: { finalizers: ["kubernetes"] } });
    const late = await request("POST", "/api/v1/namespaces/temp/configmaps", { metadata: { name: "late" } });
    expect(late.body).toMatchObject({ code: 403, reason: "Forbidden" });
    expect(late.body.message).toContain("because it is being terminated");
    expect((await request("PUT", "/api/v1/namespaces/temp/finalize", { ...body, spec: {} })).code).toBe(200);
    expect((await request("GET", "/api/v1/namespaces/temp")).code).toBe(404);
  });

  test("the server's own cannot be deleted", async () => {
    expect((await request("DELETE", "/api/v1/namespaces/default")).code).toBe(403);
  });
});

test("Events are one store under two names", async () => {
  const event = {
    metadata: { name: "e" },
    regarding: { kind: "Pod", namespace: "default", name: "p" },
    note: "hello",
    reason: "Testing",
    action: "Test",
    type: "Normal",
    eventTime: "2026-01-01T00:00:00.123456Z",
    reportingController: "test",
    reportingInstance: "test-1",
  };
  expect((await request("POST", "/apis/events.k8s.io/v1/namespaces/default/events", event)).code).toBe(201);
  const { body: core } = await request("GET", "/api/v1/namespaces/default/events/e");
  expect(core).toMatchObject({
    apiVersion: "v1",
    involvedObject: { name: "p" },
    message: "hello",
    reportingComponent: "test",
    eventTime: "2026-01-01T00:00:00.123456Z",
  });
  const { body: list } = await request("GET", "/apis/events.k8s.io/v1/namespaces/default/events");
  expect(list.items[0]).toMatchObject({ apiVersion: "events.k8s.io/v1", note: "hello", regarding: { name: "p" } });
  const selected = await request("GET", "/apis/events.k8s.io/v1/namespaces/default/events?fieldSelector=reportingController=test");
  expect(selected.body.items).toHaveLength(list.items.length);
});

test("HorizontalPodAutoscalers are one store in two versions", async () => {
  const target = { apiVersion: "apps/v1", kind: "Deployment", name: "d" };
  const v1 = { metadata: { name: "h" }, spec: { scaleTargetRef: target, maxReplicas: 5, targetCPUUtilizationPercentage: 70 } };
  expect((await request("POST", "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers", v1)).code).toBe(201);
  const { body: v2 } = await request("GET", "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/h");
  expect(v2.spec.metrics).toEqual([
    { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 70 } } },
  ]);
  v2.spec.metrics.push({ type: "Resource", resource: { name: "memory", target: { type: "AverageValue", averageValue: "1Gi" } } });
  expect((await request("PUT", "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/h", v2)).code).toBe(200);
  const { body: back } = await request("GET", "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers/h");
  expect(back.spec.targetCPUUtilizationPercentage).toBe(70);
  const put = await request("PUT", "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers/h", back);
  expect([put.code, put.body.message]).toEqual([200, undefined]);
  expect((await request("GET", "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/h")).body.spec.metrics).toHaveLength(2);
});

test("what was read in process is frozen and not changed by later writes", async () => {
  await request("POST", pods, pod("frozen"));
  const before = await running.client.get(Pods, { namespace: "default", name: "frozen" });
  await request("PATCH", `${pods}/frozen`, { metadata: { labels: { a: "b" } } }, merge);
  expect(before.metadata.labels).toBeUndefined();
  expect(() => Object.assign(before.metadata, { labels: {} })).toThrow(TypeError);
  expect((await running.client.list(Services)).items).toEqual([]);
});
