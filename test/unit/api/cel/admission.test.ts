import { describe, expect, test } from "vitest";
import { admissionEnvironment, compileAdmission } from "../../../../src/api/cel/admission.ts";
import { jsonValue } from "../../../../src/api/cel/values.ts";

const environment = admissionEnvironment({ authorizer: true });
const patching = admissionEnvironment({ authorizer: true, patchTypes: true });

describe("what does not compile, in the words of Kubernetes", () => {
  test.each([
    [
      "foo.bar == 1 && baz",
      ["1:1: undeclared reference to 'foo' (in container '')", "1:17: undeclared reference to 'baz' (in container '')"],
    ],
    ["x.y == 1 && x.z == 1", ["1:1: undeclared reference to 'x' (in container '')", "1:13: undeclared reference to 'x' (in container '')"]],
    [
      "true || x.foo(1).bar",
      ["1:9: undeclared reference to 'x' (in container '')", "1:14: undeclared reference to 'foo' (in container '')"],
    ],
    ["1 + 'a' == 2", ["1:3: found no matching overload for '_+_' applied to '(int, string)'"]],
    ["!'a'", ["1:1: found no matching overload for '!_' applied to '(string)'"]],
    ["'a' in 'a'", ["1:5: found no matching overload for '@in' applied to '(string, string)'"]],
    ["[1][0]['a'] == 1", ["1:7: found no matching overload for '_[_]' applied to '(int, string)'"]],
    ["'a'.startsWith(1)", ["1:15: found no matching overload for 'startsWith' applied to 'string.(int)'"]],
    ["sets.contains(1, 2)", ["1:14: found no matching overload for 'sets.contains' applied to '(int, int)'"]],
    ["object.x ? 1 : 'a'", ["1:10: found no matching overload for '_?_:_' applied to '(dyn, int, string)'"]],
    ["true && 'a'", ["1:9: expected type 'bool' but found 'string'"]],
    ["[1, 'a'] == []", ["1:5: expected type 'int' but found 'string'"]],
    ["object.x.all(x, 1)", ["1:17: expected type 'bool' but found 'int'"]],
    ["object.x.all(1, true)", ["1:14: argument must be a simple name"]],
    ["has(object)", ["1:5: invalid argument to has() macro"]],
    ["'a'.f", ["1:4: type 'string' does not support field selection"]],
    ["'a'.exists(x, true)", ["1:1: expression of type 'string' cannot be range of a comprehension (must be list, map, or dynamic)"]],
    ["request.userInfo.foo == 1", ["1:17: undefined field 'foo'"]],
    ["namespaceObject.metadata.name == 1", ["1:31: found no matching overload for '_==_' applied to '(string, int)'"]],
    ["duration('1h') + 1 == duration('1h')", ["1:16: found no matching overload for '_+_' applied to '(duration, int)'"]],
    ["object.name.matches('[')", ["1:21: invalid matches argument"]],
    ["timestamp('x') == timestamp('y')", ["1:11: invalid timestamp argument", "1:29: invalid timestamp argument"]],
    ["Object{}", ["1:7: undeclared reference to 'Object' (in container '')"]],
    ["a b", ["1:3: Syntax error: extraneous input 'b' expecting <EOF>"]],
    ["object.", ["1:8: Syntax error: no viable alternative at input '.'"]],
    ["(1", ["1:3: Syntax error: missing ')' at '<EOF>'"]],
    ["[1", ["1:3: Syntax error: mismatched input '<EOF>' expecting {']', ','}"]],
    ["as == 1", ["1:1: reserved identifier: as"]],
  ])("%s", (text, problems) => {
    expect(() => compileAdmission(environment, text, ["bool"])).toThrow(/^compilation failed: /);
    const message = thrownBy(() => compileAdmission(environment, text, ["bool"]));
    expect([...message.matchAll(/ERROR: <input>:(.*)/g)].map(([, problem]) => problem)).toEqual(problems);
  });

  test("shows the line and the place", () => {
    expect(thrownBy(() => compileAdmission(environment, "\n  foo\n == 1", ["bool"]))).toBe(
      "compilation failed: ERROR: <input>:2:3: undeclared reference to 'foo' (in container '')\n |   foo\n | ..^",
    );
  });

  test.each([
    ["object.x", "dyn"],
    ["null", "null_type"],
    ["[1].map(x, [x])", "list(list(int))"],
    ["duration('1h')", "google.protobuf.Duration"],
    ["object.?a", "optional_type(dyn)"],
    ["authorizer.path('/').check('get')", "kubernetes.authorization.Decision"],
  ])("%s gives %s, not a bool", (text, type) => {
    expect(thrownBy(() => compileAdmission(environment, text, ["bool"]))).toBe(`must evaluate to bool but got ${type}`);
  });
});

describe("what the library cannot read by itself", () => {
  const object = { x: true, list: [1n, 2n] };
  test.each([
    [
      "Object{metadata: Object.metadata{labels: {'a': 'b'}}, spec: Object.spec{replicas: 3}}",
      { metadata: { labels: { a: "b" } }, spec: { replicas: 3 } },
    ],
    ["Object{spec: Object.spec{?paused: object.?none, ?x: object.?x}}", { spec: { x: true } }],
    ["Object{spec: Object.spec{containers: [Object.spec.containers{name: 'x'}]}}", { spec: { containers: [{ name: "x" }] } }],
    ["[?object.?x, ?object.?none]", [true]],
    ["{?'a': object.?none, ?'b': object.?x}", { b: true }],
    ["1 in {1: 2} ? [1] : [2]", [1]],
    ["Object{a: 1} == Object{a: 1}", true],
    ["object.list.all(i, v, i < 2 && v > 0)", true],
    ["object.list.exists(i, v, i == v)", false],
    ["{'a': 1}.transformMap(k, v, v + 1)", { a: 2 }],
    ["{'a': 1}.transformMapEntry(k, v, {string(v): k})", { "1": "a" }],
    ["[1, 2].transformList(i, v, v > 1, i)", [1]],
    ["[3, 1].sortBy(x, x)", [1, 3]],
    ["[3, 1, 3].distinct().sort() + lists.range(2)", [1, 3, 0, 1]],
    ["[1, 2, 3].slice(1, 2)", [2]],
    ["jsonpatch.escapeKey('a/b~c')", "a~1b~0c"],
    ["'%s has %d'.format(['a', 5])", "a has 5"],
    ["'ABC'.matches('(?i)abc')", true],
    ["string(timestamp('2020-01-01T00:00:00Z') + duration('90m'))", "2020-01-01T01:30:00Z"],
    ["string(duration('1h30m'))", "5400s"],
    ["int(timestamp('1970-01-01T00:01:00Z'))", 60],
    ["optional.ofNonZeroValue('').hasValue()", false],
  ])("%s", (text, value) => {
    expect(jsonValue(compileAdmission(patching, text).evaluate({ object }))).toEqual(value);
  });

  test("errors are where they are in the original", () => {
    expect(thrownBy(() => compileAdmission(patching, "Object{spec: Object.spec{a: foo}}"))).toContain(
      "<input>:1:29: undeclared reference to 'foo'",
    );
  });
});

function thrownBy(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return error instanceof Error ? error.message : "";
  }
  return "";
}
