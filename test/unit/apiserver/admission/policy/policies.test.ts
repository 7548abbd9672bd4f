import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Answer, type RunningServer, startServer } from "../../running-server.ts";

let api: RunningServer;
const group = "/apis/admissionregistration.k8s.io/v1";
const kinds = ["validating", "mutating"] as const;
const maps = "/api/v1/namespaces/default/configmaps";
const deployments = "/apis/apps/v1/namespaces/default/deployments";

beforeAll(async () => {
  api = await startServer();
  await api.request("POST", maps, { metadata: { name: "limits", labels: { use: "yes" } }, data: { max: "3" } });
  await api.request("POST", maps, { metadata: { name: "limits-2", labels: { use: "yes" } }, data: { max: "2" } });
});
afterAll(() => api.stop());
afterEach(async () => {
  for (const kind of kinds)
    for (const plural of ["admissionpolicies", "admissionpolicybindings"]) await api.request("DELETE", `${group}/${kind}${plural}`);
});

const rule = (more: object = {}) => ({ apiGroups: [""], apiVersions: ["v1"], operations: ["*"], resources: ["configmaps"], ...more });
const forDeployments = { matchConstraints: { resourceRules: [rule({ apiGroups: ["apps"], resources: ["deployments"] })] } };

/** A policy p with a binding b-0, b-1, ... for each that is given. */
async function bound(kind: (typeof kinds)[number], spec: object, ...bindings: object[]): Promise<void> {
  const own = kind === "validating" ? {} : { reinvocationPolicy: "Never" };
  const policy = { metadata: { name: "p" }, spec: { matchConstraints: { resourceRules: [rule()] }, ...own, ...spec } };
  expect(await api.request("POST", `${group}/${kind}admissionpolicies`, policy)).toMatchObject({ code: 201 });
  const actions = kind === "validating" ? { validationActions: ["Deny"] } : {};
  for (const [i, more] of (bindings.length > 0 ? bindings : [{}]).entries()) {
    const binding = { metadata: { name: `b-${i}` }, spec: { policyName: "p", ...actions, ...more } };
    expect(await api.request("POST", `${group}/${kind}admissionpolicybindings`, binding)).toMatchObject({ code: 201 });
  }
}

const create = (object: object, path = maps): Promise<Answer> => api.request("POST", `${path}?dryRun=All`, object);
const map = (data: Record<string, string> = { k: "v", n: "5" }, metadata: object = {}) => ({ metadata: { name: "a", ...metadata }, data });
const deployment = (spec: object = {}) => ({
  metadata: { name: "d" },
  spec: {
    selector: { matchLabels: { a: "b" } },
    template: { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "c", image: "i" }] } },
    ...spec,
  },
});

const byPolicy = "ValidatingAdmissionPolicy 'p' with binding 'b-0' denied request:";
const param = (more: object) => ({ paramRef: { parameterNotFoundAction: "Deny", ...more } });
const ofMaps = { paramKind: { apiVersion: "v1", kind: "ConfigMap" } };
const validation = (expression: string, more: object = {}) => ({ validations: [{ expression, ...more }] });

describe("a validating policy", () => {
  test.each<[string, object, object, string]>([
    ["shows the expression", validation("object.data.k == 'w'"), {}, `${byPolicy} failed expression: object.data.k == 'w'`],
    ["shows its message", validation("false", { message: " no " }), {}, `${byPolicy} no`],
    ["composes a message", validation("false", { messageExpression: "'got ' + object.data.k", message: "no" }), {}, `${byPolicy} got v`],
    ["falls back", validation("false", { messageExpression: "object.data.none + ''", message: "no" }), {}, `${byPolicy} no`],
    [
      "takes what cannot be evaluated for false",
      validation("object.data.none == 'w'"),
      {},
      `${byPolicy} expression 'object.data.none == 'w'' resulted in error: no such key: none`,
    ],
    [
      "tells of a variable that fails",
      { variables: [{ name: "n", expression: "int(object.data.none)" }], ...validation("variables.n > 1") },
      {},
      `${byPolicy} expression 'variables.n > 1' resulted in error: composited variable "n" fails to evaluate: no such key: none`,
    ],
    [
      "evaluates variables of variables",
      {
        variables: [
          { name: "n", expression: "int(object.data.n)" },
          { name: "m", expression: "variables.n * 2" },
        ],
        ...validation("variables.m > 10"),
      },
      {},
      `${byPolicy} failed expression: variables.m > 10`,
    ],
    [
      "sees the namespace",
      validation("namespaceObject.metadata.name != 'default'"),
      {},
      `${byPolicy} failed expression: namespaceObject.metadata.name != 'default'`,
    ],
    [
      "sees the request",
      validation("false", { messageExpression: "request.operation + ' ' + request.kind.kind + ' by ' + request.userInfo.username" }),
      {},
      `${byPolicy} CREATE ConfigMap by admin`,
    ],
    [
      "asks the authorizer",
      validation("!authorizer.group('').resource('pods').namespace('x').check('delete').allowed()", { message: "may delete" }),
      {},
      `${byPolicy} may delete`,
    ],
    [
      "sees its parameters",
      { ...ofMaps, ...validation("int(object.data.n) <= int(params.data.max)", { message: "over" }) },
      param({ name: "limits" }),
      `${byPolicy} over`,
    ],
    [
      "takes all that are selected",
      { ...ofMaps, ...validation("params.data.max != '2'", { messageExpression: "'max ' + params.data.max" }) },
      param({ selector: { matchLabels: { use: "yes" } } }),
      `${byPolicy} max 2`,
    ],
    [
      "refuses without its parameters",
      { ...ofMaps, ...validation("true") },
      param({ name: "none" }),
      `${byPolicy} failed to configure binding: no params found for policy binding with \`Deny\` parameterNotFoundAction`,
    ],
    [
      "refuses with parameters of a kind that is not there",
      { paramKind: { apiVersion: "foo.io/v1", kind: "Bar" }, ...validation("true") },
      param({ name: "x" }),
      "ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: failed to find resource referenced by paramKind: 'foo.io/v1, Kind=Bar'",
    ],
    [
      "refuses by a broken audit annotation",
      { auditAnnotations: [{ key: "a", valueExpression: "object.data.none + ''" }] },
      {},
      `${byPolicy} expression 'object.data.none + ''' resulted in error: no such key: none`,
    ],
  ])("%s", async (_, spec, binding, message) => {
    await bound("validating", spec, binding);
    expect(await create(map())).toMatchObject({
      code: 422,
      body: {
        reason: "Invalid",
        message: `configmaps "a" is forbidden: ${message}`,
        details: { name: "a", kind: "configmaps", causes: [{ message }] },
      },
    });
  });

  test.each<[string, object, object, object]>([
    ["ignores failures when told so", { ...validation("object.data.none == 'w'"), failurePolicy: "Ignore" }, {}, map()],
    [
      "whose condition is false",
      { ...validation("false"), matchConditions: [{ name: "c", expression: "object.metadata.name == 'b'" }] },
      {},
      map(),
    ],
    [
      "without parameters, where that is allowed",
      { ...ofMaps, ...validation("false") },
      param({ name: "none", parameterNotFoundAction: "Allow" }),
      map(),
    ],
    ["whose binding names none", { ...ofMaps, ...validation("params == null") }, {}, map()],
    [
      "for other objects",
      { ...validation("false"), matchConstraints: { resourceRules: [rule()], objectSelector: { matchLabels: { l: "1" } } } },
      {},
      map(),
    ],
    ["for other names", { ...validation("false"), matchConstraints: { resourceRules: [rule({ resourceNames: ["b"] })] } }, {}, map()],
    [
      "that excludes the name",
      { ...validation("false"), matchConstraints: { resourceRules: [rule()], excludeResourceRules: [rule({ resourceNames: ["a"] })] } },
      {},
      map(),
    ],
    ["bound to another namespace", validation("false"), { matchResources: { namespaceSelector: { matchLabels: { team: "x" } } } }, map()],
    ["bound to other resources", validation("false"), { matchResources: { resourceRules: [rule({ resources: ["secrets"] })] } }, map()],
  ])("%s lets the request pass", async (_, spec, binding, object) => {
    await bound("validating", spec, binding);
    expect(await create(object)).toMatchObject({ code: 201 });
  });

  describe("costs no more than it may", () => {
    const keys = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`k${i}`, "v"]));
    const cubic = "object.data.all(a, object.data.all(b, object.data.all(c, a + b != c)))";
    const square = "object.data.all(a, object.data.all(b, a != b + 'z'))"; // Some 600,000.
    const limit = "operation cancelled: actual cost limit exceeded";
    const budget = "validation failed due to running out of cost budget, no further validation rules will be run";
    const many = (expression: string) => Array.from({ length: 20 }, () => ({ expression }));
    const conditions = (expression: string) => Array.from({ length: 6 }, (_, i) => ({ name: `c${i}`, expression }));

    test.each<[string, object, string]>([
      ["an expression", validation(cubic), `expression '${cubic}' resulted in error: ${limit}`],
      ["all expressions", { validations: [{ expression: "false" }, ...many(square)] }, budget],
      ["a message", validation("false", { messageExpression: `${cubic} ? 'a' : 'b'` }), "failed expression: false"],
      [
        "messages",
        { validations: [...many(square).slice(0, 13), { expression: "false", messageExpression: `${square} ? 'a' : 'b'` }] },
        `failed messageExpression: ${budget}`,
      ],
      [
        "a variable",
        { variables: [{ name: "v", expression: cubic }], ...validation("variables.v") },
        `expression 'variables.v' resulted in error: composited variable "v" fails to evaluate: ${limit}`,
      ],
      [
        "variables",
        {
          variables: Array.from({ length: 20 }, (_, i) => ({ name: `v${i}`, expression: square })),
          validations: Array.from({ length: 20 }, (_, i) => ({ expression: `variables.v${i}` })),
        },
        budget,
      ],
      ["match conditions", { ...validation("true"), matchConditions: conditions(square) }, budget],
    ])("%s", async (_, spec, message) => {
      await bound("validating", spec);
      expect(await create(map(keys))).toMatchObject({ code: 422, body: { message: expect.stringContaining(`${byPolicy} ${message}`) } });
    });

    test.each<[string, object]>([
      ["an expression", validation(cubic)],
      ["all expressions", { validations: [{ expression: "false" }, ...many(square)] }],
      ["match conditions", { ...validation("false"), matchConditions: conditions(square) }],
    ])("%s lets the request pass where failures are ignored", async (_, spec) => {
      await bound("validating", { ...spec, failurePolicy: "Ignore" });
      expect(await create(map(keys))).toMatchObject({ code: 201 });
    });

    test("a mutation", async () => {
      const expression = `${cubic} ? Object{} : Object{}`;
      await bound("mutating", { mutations: [{ patchType: "ApplyConfiguration", applyConfiguration: { expression } }] });
      expect((await create(map(keys))).body.message).toContain(limit);
    });
  });

  test("gives a reason of its own with the code that belongs to it", async () => {
    await bound("validating", validation("false", { reason: "RequestEntityTooLarge" }));
    expect(await create(map())).toMatchObject({ code: 413, body: { reason: "RequestEntityTooLarge" } });
  });

  test("warns, for each binding that says so, and does not refuse", async () => {
    await bound("validating", validation("false", { message: "no" }), { validationActions: ["Warn", "Audit"] });
    const { code, headers } = await create(map());
    expect(code).toBe(201);
    expect(headers.get("warning")).toBe("299 - \"Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b-0': no\"");
  });

  test("sees another version of the object when its rule names that", async () => {
    const rules = [rule({ apiGroups: ["autoscaling"], resources: ["horizontalpodautoscalers"] })];
    await bound("validating", {
      ...validation("false", { messageExpression: "string(object.apiVersion)" }),
      matchConstraints: { resourceRules: rules },
    });
    const spec = { maxReplicas: 3, scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "d" } };
    const answer = await create({ metadata: { name: "h" }, spec }, "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers");
    expect(answer.body.message).toContain("denied request: autoscaling/v1");
  });

  test("sees what is deleted as the old object", async () => {
    await bound("validating", validation("object != null", { messageExpression: "'old ' + oldObject.metadata.name" }));
    const answer = await api.request("DELETE", `${maps}/limits`);
    expect(answer).toMatchObject({ code: 422, body: { message: expect.stringContaining("denied request: old limits") } });
  });

  test("follows its changes, and is out of its own reach", async () => {
    const everything = { matchConstraints: { resourceRules: [rule({ apiGroups: ["*"], apiVersions: ["*"], resources: ["*/*"] })] } };
    await bound("validating", { ...validation("false"), ...everything });
    expect(await create(map())).toMatchObject({ code: 422 });
    const merge = { "content-type": "application/merge-patch+json" };
    const answer = await api.request(
      "PATCH",
      `${group}/validatingadmissionpolicies/p`,
      { spec: validation("object.data.k == 'v'") },
      merge,
    );
    expect(answer).toMatchObject({ code: 200 });
    expect(await create(map())).toMatchObject({ code: 201 });
    expect(await create(map({ k: "w" }))).toMatchObject({ code: 422 });
    await api.request("DELETE", `${group}/validatingadmissionpolicybindings/b-0`);
    expect(await create(map({ k: "w" }))).toMatchObject({ code: 201 });
  });
});

const apply = (expression: string) => ({ patchType: "ApplyConfiguration", applyConfiguration: { expression } });
const jsonPatch = (expression: string) => ({ patchType: "JSONPatch", jsonPatch: { expression } });

describe("a mutating policy", () => {
  test.each<[string, object[], object]>([
    ["applies fields", [apply("Object{data: {'new': object.data.k}}")], { data: { k: "v", n: "5", new: "v" } }],
    ["patches", [jsonPatch("[JSONPatch{op: 'remove', path: '/data/k'}]")], { data: { n: "5" } }],
    [
      "leaves the object alone when a test fails",
      [jsonPatch("[JSONPatch{op: 'remove', path: '/data/k'}, JSONPatch{op: 'test', path: '/data/n', value: '6'}]")],
      { data: { k: "v", n: "5" } },
    ],
    [
      "sees what its mutations before have done",
      [apply("Object{data: {'one': '1'}}"), jsonPatch("[JSONPatch{op: 'add', path: '/data/two', value: object.data.one + '2'}]")],
      { data: { k: "v", n: "5", one: "1", two: "12" } },
    ],
  ])("%s", async (_, mutations, expected) => {
    await bound("mutating", { mutations });
    const { code, body } = await create(map());
    expect({ code, data: body.data }).toEqual({ code: 201, ...expected });
  });

  test("merges lists by their keys, and fills in defaults", async () => {
    const container = "Object.spec.template.spec.containers";
    const containers = `[${container}{name: 'c', env: [${container}.env{name: 'A', value: 'b'}]}, ${container}{name: 'side', image: 'x'}]`;
    await bound("mutating", {
      mutations: [
        apply(`Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: ${containers}}}}}`),
        jsonPatch("[JSONPatch{op: 'remove', path: '/spec/replicas'}]"),
      ],
      ...forDeployments,
    });
    const { code, body } = await create(deployment({ replicas: 3 }), deployments);
    expect({ code, replicas: body.spec.replicas }).toEqual({ code: 201, replicas: 1 });
    expect(body.spec.template.spec.containers).toMatchObject([
      { name: "c", image: "i", env: [{ name: "A", value: "b" }] },
      { name: "side", image: "x", imagePullPolicy: "Always" },
    ]);
  });

  test.each<[string, object, string]>([
    ["fails", apply("Object{spec: Object.spec{replicas: object.spec.none}}"), "no such key: none"],
    [
      "names a part wrongly",
      apply("Object{spec: Object.foo{replicas: 1}}"),
      'type mismatch: unexpected type name "Object.foo", expected "Object.spec", which matches field name path from root Object type',
    ],
    ["has a field that there is not", apply("Object{spec: Object.spec{foo: 1}}"), ".spec.foo: field not declared in schema"],
    [
      "would replace what is atomic",
      apply("Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{nodeSelector: {'a': 'b'}}}}}"),
      "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.template.spec.nodeSelector",
    ],
  ])("whose expression %s refuses", async (_, mutation, why) => {
    await bound("mutating", { mutations: [mutation], ...forDeployments });
    const { code, body } = await create(deployment(), deployments);
    expect({ code, reason: body.reason }).toEqual({ code: 403, reason: "Invalid" });
    expect(body.message).toMatch(/^policy 'p' with binding 'b-0' denied request: /);
    expect(body.message).toContain(why);
  });

  test.each([
    ["Never", "xx"],
    ["IfNeeded", "xxxx"],
  ])("with reinvocationPolicy %s is called once or again after others", async (reinvocationPolicy, expected) => {
    const mutations = [apply("Object{data: {'one': (has(object.data.one) ? object.data.one : '') + 'x'}}")];
    await bound("mutating", { mutations, reinvocationPolicy }, {}, {});
    expect((await create(map())).body.data.one).toBe(expected);
  });
});

describe("what is wrong with a policy", () => {
  test.each<[string, "validating" | "mutating", object, string]>([
    [
      "an expression",
      "validating",
      validation("object.x == foo"),
      "spec.validations[0].expression: Invalid value: \"object.x == foo\": compilation failed: ERROR: <input>:1:13: undeclared reference to 'foo' (in container '')",
    ],
    [
      "a type",
      "validating",
      validation("'a'"),
      "spec.validations[0].expression: Invalid value: \"'a'\": must evaluate to bool but got string",
    ],
    [
      "a message",
      "validating",
      validation("true", { messageExpression: "1" }),
      'spec.validations[0].messageExpression: Invalid value: "1": must evaluate to string but got int',
    ],
    ["params without a kind", "validating", validation("params.x == 1"), "undeclared reference to 'params'"],
    [
      "a variable's type",
      "validating",
      { variables: [{ name: "n", expression: "'a'" }], ...validation("variables.n == 1") },
      "found no matching overload for '_==_' applied to '(string, int)'",
    ],
    [
      "a variable in a condition",
      "validating",
      {
        ...validation("true"),
        variables: [{ name: "n", expression: "1" }],
        matchConditions: [{ name: "c", expression: "variables.n == 1" }],
      },
      "undeclared reference to 'variables'",
    ],
    ["a mutation's type", "mutating", { mutations: [apply("'x'")] }, "must evaluate to Object but got string"],
    [
      "an operation",
      "mutating",
      { mutations: [apply("Object{}")], matchConstraints: { resourceRules: [rule({ operations: ["DELETE"] })] } },
      'spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", "CONNECT", "CREATE", "UPDATE"',
    ],
    [
      "a patch of the other kind",
      "mutating",
      { mutations: [{ patchType: "JSONPatch", applyConfiguration: { expression: "1" } }] },
      "spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch",
    ],
    [
      "parameters",
      "mutating",
      { mutations: [apply("Object{}")], paramKind: { apiVersion: "a/b/c", kind: "Foo" } },
      'spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
    ],
  ])("%s", async (_, kind, spec, message) => {
    const own = kind === "validating" ? {} : { reinvocationPolicy: "Never" };
    const policy = { metadata: { name: "p" }, spec: { matchConstraints: { resourceRules: [rule()] }, ...own, ...spec } };
    const answer = await api.request("POST", `${group}/${kind}admissionpolicies`, policy);
    expect(answer).toMatchObject({ code: 422, body: { message: expect.stringContaining(message) } });
  });
});
