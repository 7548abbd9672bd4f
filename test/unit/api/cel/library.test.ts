import { describe, expect, test } from "vitest";
import { kubernetesEnvironment } from "../../../../src/api/cel/environment.ts";
import { compileExpression } from "../../../../src/api/cel/expression.ts";

const environment = kubernetesEnvironment().registerVariable("self", "dyn");
const self = { a: [{ b: 1n }], s: "abc", m: { x: 1n }, n: null };

describe("the libraries that Kubernetes gives to CEL", () => {
  test.each([
    ["'abc'.charAt(1)", "b"],
    ["'a-b-c'.replace('-', '', 1)", "ab-c"],
    ["'%s has %d, %.2f, %x'.format(['x', 3, 1.5, 255])", "x has 3, 1.50, ff"],
    ["'%s'.format([[1, {'a': true}]])", "[1, {a: true}]"],
    ["strings.quote('a')", '"a"'],
    ["'abab'.findAll('a', 1)", ["a"]],
    ["'abc'.find('^b')", ""],
    ["[1, 3, 2].isSorted()", false],
    ["['a', 'b'].isSorted()", true],
    ["[1, 2].sum()", 3n],
    ["self.a.map(x, x.b).sum()", 1n],
    ["[3, 1].min()", 1n],
    ["['a', 'b', 'a'].lastIndexOf('a')", 2n],
    ["sets.contains([1, 2], [2])", true],
    ["sets.equivalent([1, 2], [2, 1, 1])", true],
    ["sets.intersects([1], [2])", false],
    ["ip('10.0.0.1').family()", 4n],
    ["ip.isCanonical('::FFFF')", false],
    ["ip('::1').isLoopback()", true],
    ["string(ip('1:0::ff'))", "1::ff"],
    ["cidr('10.0.0.0/8').containsIP('10.1.1.1')", true],
    ["cidr('10.0.0.0/8').containsCIDR('11.0.0.0/9')", false],
    ["string(cidr('10.1.1.1/8').masked())", "10.0.0.0/8"],
    ["isCIDR('10.0.0.0/33')", false],
    ["url('https://h:8080/x?y=1&y=2').getQuery().y", ["1", "2"]],
    ["url('https://[::1]:8080/x').getHostname()", "::1"],
    ["isURL('no')", false],
    ["quantity('1Gi').isGreaterThan(quantity('1M'))", true],
    ["quantity('50k').add(2).asInteger()", 50002n],
    ["isQuantity('1Zz')", false],
    ["format.dns1123Label().validate('A').hasValue()", true],
    ["format.named('uuid').value().validate('x').hasValue()", true],
    ["format.named('none').hasValue()", false],
    ["semver('1.2.3').isLessThan(semver('1.3.0-a'))", true],
    ["semver('1.0.0-a').compareTo(semver('1.0.0'))", -1n],
    ["isSemver('v1.2')", false],
    ["isSemver('v1.2', true)", true],
    ["has(self.a[0].b) && !has(self.a[0].c)", true],
    ["self.?none.optMap(x, x).orValue(4)", 4n],
    ["self.?s.optMap(x, x + 'd').value()", "abcd"],
    ["self.?s.optFlatMap(x, optional.none()).hasValue()", false],
    ["self.m.all(k, self.m[k] == 1)", true],
  ])("%s", (text, value) => {
    expect(compileExpression(environment, text).evaluate({ self })).toEqual(value);
  });
});
