import { describe, expect, test } from "vitest";
import { type BodyTarget, readObject } from "../../../../src/api/codec/body.ts";
import { compileStructural } from "../../../../src/api/schema/structural.ts";

const json = "application/json";
const yaml = "application/yaml";
const pod: BodyTarget = { type: "core.v1.Pod", apiVersion: "v1", kind: "Pod", fieldValidation: "Strict" };
const deployment: BodyTarget = { type: "apps.v1.Deployment", apiVersion: "apps/v1", kind: "Deployment", fieldValidation: "Strict" };

const read = (text: string, target: BodyTarget, contentType = json) => readObject(Buffer.from(text), contentType, target);
const unreadable = (text: string): string => `the object provided is unrecognized (must be of type Pod): ${text}`;
const noJson = (text: string): string => unreadable(`couldn't get version/kind; json parse error: ${text}`);

// Texts as a Kubernetes v1.36 API server answers them.
describe("what a body can be refused for", () => {
  test.each<[string, BodyTarget, string, string]>([
    [
      `{"apiVersion":"v1","kind":"Pod"} x`,
      pod,
      json,
      noJson(`invalid character 'x' after top-level value ({"apiVersion":"v1","kind":"Pod ...)`),
    ],
    [`{"a":1,}`, pod, json, noJson(`invalid character '}' looking for beginning of object key string ({"a":1,})`)],
    [`{"a":tru}`, pod, json, noJson(`invalid character '}' in literal true (expecting 'e') ({"a":tru})`)],
    [`{"a":1.}`, pod, json, noJson(`invalid character '}' after decimal point in numeric literal ({"a":1.})`)],
    [`{'a':1}`, pod, json, noJson(`invalid character '\\'' looking for beginning of object key string ({'a':1})`)],
    [`{"a":"\u0001"}`, pod, json, noJson(`invalid character '\\x01' in string literal ({"a":"\u0001"})`)],
    [`{"a":"`, pod, json, noJson(`unexpected end of JSON input ({"a":")`)],
    ["", pod, json, noJson("unexpected end of JSON input (<empty>)")],
    [
      "[]",
      pod,
      json,
      noJson(
        `json: cannot unmarshal array into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" } (5b5d)`,
      ),
    ],
    [
      `{"apiVersion":5}`,
      pod,
      json,
      noJson(`json: cannot unmarshal number into Go struct field .apiVersion of type string ({"apiVersion":5})`),
    ],
    [
      "metadata:\n  name: x: y\n",
      pod,
      yaml,
      unreadable("yaml: line 2: mapping values are not allowed in this context (6d657461646174613a0a20206e616d653a20783a20790a)"),
    ],
    [
      "{}",
      pod,
      "text/plain",
      "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
    ],
    [
      `{"apiVersion":"v1","kind":"Pod"}`,
      deployment,
      json,
      `Pod in version "v1" cannot be handled as a Deployment: converting (v1.Pod) to (apps.Deployment): unknown conversion`,
    ],
    [
      `{"apiVersion":"apps/v2","kind":"Deployment"}`,
      deployment,
      json,
      `Deployment in version "v2" cannot be handled as a Deployment: no kind "Deployment" is registered for version "apps/v2" in scheme "pkg/api/legacyscheme/scheme.go:30"`,
    ],
    [
      `{"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler"}`,
      { type: "autoscaling.v2.HorizontalPodAutoscaler", apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler" },
      json,
      "the API version in the data (autoscaling/v1) does not match the expected API version (autoscaling/v2)",
    ],
  ])("%s", (text, target, contentType, message) => {
    expect(() => read(text, target, contentType)).toThrow(expect.objectContaining({ message }));
  });

  test("nesting without end", () => {
    const revision: BodyTarget = { type: "apps.v1.ControllerRevision", apiVersion: "apps/v1", kind: "ControllerRevision" };
    const nested = (depth: number): string => `{"data":${"[".repeat(depth)}${"]".repeat(depth)}}`;
    expect(() => read(nested(20_000), revision)).toThrow(
      expect.objectContaining({ code: 400, message: expect.stringContaining("exceeded max depth") }),
    );
    expect(read(nested(2_000), revision).warnings).toEqual([]);
  });
});

describe("strict validation", () => {
  const text = `{"metadata":{"labels":{"a":"b","a":"c"}},"spec":{"zoo":1,"containers":[{"name":"a","name":"b","foo":{"z":1,"z":2}}],"zar":2}}`;
  const problems = [
    'duplicate field "metadata.labels.a"',
    'unknown field "spec.zoo"',
    'duplicate field "spec.containers[0].name"',
    'unknown field "spec.containers[0].foo"',
    'unknown field "spec.zar"',
  ];

  test("Strict refuses, in the order of the text", () => {
    const message = `Pod in version "v1" cannot be handled as a Pod: strict decoding error: ${problems.join(", ")}`;
    expect(() => read(text, pod)).toThrow(expect.objectContaining({ message, code: 400 }));
  });

  test("Warn reads and warns", () => {
    const { object, warnings } = read(text, { ...pod, fieldValidation: "Warn" });
    expect(warnings).toEqual(problems);
    expect(object).toEqual({ apiVersion: "v1", kind: "Pod", metadata: { labels: { a: "c" } }, spec: { containers: [{ name: "b" }] } });
  });

  test("Ignore reads silently", () => {
    expect(read(text, { ...pod, fieldValidation: "Ignore" }).warnings).toEqual([]);
  });

  test("the last of two equal keys counts, and escapes do not hide them", () => {
    const { object, warnings } = read(`{"data":{"a":"1","\\u0061":"2","b:":"x:y","c\\"":"{"}}`, {
      type: "core.v1.ConfigMap",
      apiVersion: "v1",
      kind: "ConfigMap",
    });
    expect(object).toMatchObject({ data: { a: "2", "b:": "x:y", 'c"': "{" } });
    expect(warnings).toEqual(['duplicate field "data.a"']);
  });

  test("YAML: lines of duplicates first, then unknown fields by name", () => {
    const text = "kind: Pod\nmetadata:\n  name: xx\n  name: yy\nspec:\n  zoo: 1\n  abc: 1\n";
    const message =
      'Pod in version "v1" cannot be handled as a Pod: strict decoding error: yaml: unmarshal errors:\n  line 4: key "name" already set in map, unknown field "spec.abc", unknown field "spec.zoo"';
    expect(() => read(text, pod, yaml)).toThrow(expect.objectContaining({ message }));
  });
});

describe("YAML as Kubernetes reads it", () => {
  test("yes and on are booleans, dates and times stay text", () => {
    expect(() => read("metadata:\n  name: yes", pod, yaml)).toThrow(
      "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.name of type string",
    );
    const { object } = read("metadata:\n  name: 2001-01-01\n  labels: {t: 1:30, o: 'on'}", pod, yaml);
    expect(object.metadata).toEqual({ name: "2001-01-01", labels: { t: "1:30", o: "on" } });
  });

  test("only the first document counts", () => {
    expect(read("kind: Pod\nmetadata: {name: a}\n---\nkind: Pod\nmetadata: {name: b}\n", pod, yaml).object.metadata.name).toBe("a");
  });
});

describe("custom resources", () => {
  const target: BodyTarget = { type: undefined, apiVersion: "a.b/v1", kind: "Thing", fieldValidation: "Strict" };
  const custom = compileStructural({ properties: { spec: { type: "object", properties: { a: { type: "integer" } } } } }, "Thing", "v1");

  test("without a schema everything is kept", () => {
    const body = { apiVersion: "a.b/v1", kind: "Thing", metadata: { name: "x" }, any: { thing: null } };
    expect(read(JSON.stringify(body), target).object).toEqual(body);
  });

  test("duplicates come first, then unknown fields, of the metadata and of the rest", () => {
    const text = `{"apiVersion":"a.b/v1","kind":"Thing","zz":1,"metadata":{"foo":1},"spec":{"b":1,"a":1,"a":2}}`;
    const message =
      'Thing in version "v1" cannot be handled as a Thing: strict decoding error: duplicate field "spec.a", unknown field "metadata.foo", unknown field "spec.b", unknown field "zz"';
    expect(() => read(text, { ...target, custom })).toThrow(expect.objectContaining({ message }));
  });

  test.each([
    ["{}", `the object provided is unrecognized (must be of type Thing): Object 'Kind' is missing in '{}' ({})`],
    [`{"apiVersion":"a.b/v2","kind":"Thing"}`, "the API version in the data (a.b/v2) does not match the expected API version (a.b/v1)"],
    [
      `{"apiVersion":"a.b/v1","kind":"Other","metadata":{"name":"x"}}`,
      `Other.a.b "x" is invalid: kind: Invalid value: "Other": must be Thing`,
    ],
  ])("%s is refused", (text, message) => {
    expect(() => read(text, target)).toThrow(expect.objectContaining({ message }));
  });

  test("protobuf is not accepted", () => {
    expect(() => read("k8s\0", target, "application/vnd.kubernetes.protobuf")).toThrow(
      expect.objectContaining({ code: 415, message: expect.stringMatching(/include: application\/json, application\/yaml$/) }),
    );
  });
});

test("whole numbers keep all their digits: those of an int64 beyond what a double holds are bigints", () => {
  const target = { type: undefined, apiVersion: "example.com/v1", kind: "Counter" };
  const body = (number: string, type: "json" | "yaml"): Uint8Array =>
    Buffer.from(
      type === "json"
        ? `{"apiVersion":"example.com/v1","kind":"Counter","text":"9007199254740993","spec":{"count":${number}}}`
        : `apiVersion: example.com/v1\nkind: Counter\nspec: {count: ${number}}\n`,
    );
  for (const type of ["json", "yaml"] as const) {
    const read = (number: string): unknown => readObject(body(number, type), `application/${type}`, target).object;
    for (const number of ["9007199254740991", "0.12345678901234567", "1e21", "9223372036854775808"])
      expect(read(number)).toMatchObject({ spec: { count: Number(number) } });
    for (const number of ["9007199254740993", "-9223372036854775808", "9223372036854775807"]) {
      const object = read(number);
      expect(object).toMatchObject({ spec: { count: BigInt(number) } });
      expect(JSON.stringify(object)).toContain(`"count":${number}`);
    }
  }
});

test("built-in kinds refuse whole numbers that they would not keep, and name them", () => {
  const text = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"activeDeadlineSeconds":9007199254740993}}`;

  expect(() => readObject(Buffer.from(text), "application/json", pod)).toThrow(
    "the number 9007199254740993 cannot be kept to its last digit",
  );
});
