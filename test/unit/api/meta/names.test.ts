import { describe, expect, it } from "vitest";
import {
  checkConfigKey,
  checkDnsLabel,
  checkDnsSubdomain,
  checkEnvVarName,
  checkLabelValue,
  checkPathSegment,
  checkPort,
  checkPortName,
  checkQualifiedName,
  checkWildcardSubdomain,
  generateName,
  hashSuffix,
  safeEncode,
} from "../../../../src/api/meta/names.ts";
import { nameCheckOf } from "../../../../src/api/meta/object-names.ts";

describe("names", () => {
  it.each([
    [checkDnsLabel, "a-1", true],
    [checkDnsLabel, "a.b", false],
    [checkDnsLabel, "-a", false],
    [checkDnsLabel, "a".repeat(64), false],
    [checkDnsSubdomain, "a.b-c.1", true],
    [checkDnsSubdomain, "a..b", false],
    [checkDnsSubdomain, "A", false],
    [checkWildcardSubdomain, "*.a.b", true],
    [checkWildcardSubdomain, "a.*", false],
    [checkQualifiedName, "a.b/C_d", true],
    [checkQualifiedName, "/x", false],
    [checkQualifiedName, "a/b/c", false],
    [checkLabelValue, "", true],
    [checkLabelValue, "a b", false],
    [checkConfigKey, ".key_1", true],
    [checkConfigKey, "..x", false],
    [checkEnvVarName, "a.b-c", true],
    [checkEnvVarName, "a=b", false],
    [checkPathSegment, "system:a", true],
    [checkPathSegment, "a/b", false],
    [checkPortName, "http-1", true],
    [checkPortName, "1", false],
    [checkPortName, "a--b", false],
  ] as const)("%o(%j): %s", (check, name, sound) => expect(check(name).length === 0).toBe(sound));

  it("checks ports", () => {
    expect(checkPort(80)).toEqual([]);
    expect(checkPort(0)).toEqual(["must be between 1 and 65535, inclusive"]);
  });

  it("knows how each resource's objects are named", () => {
    expect(nameCheckOf({ group: "", plural: "namespaces" })("a.b")).not.toEqual([]);
    expect(nameCheckOf({ group: "rbac.authorization.k8s.io", plural: "roles" })("system:x")).toEqual([]);
    expect(nameCheckOf({ group: "apps", plural: "statefulsets" })("a.b")).toEqual(["must not contain dots"]);
    expect(nameCheckOf({ group: "networking.k8s.io", plural: "ipaddresses" })("fd00::1")).toEqual([]);
    expect(nameCheckOf({ group: "example.com", plural: "things" })("a.b")).toEqual([]);
  });

  it("generates names of at most 63 characters that need no vowels", () => {
    expect(generateName("web-", () => 0)).toBe("web-bbbbb");
    expect(generateName("x".repeat(70), () => 0.999)).toBe(`${"x".repeat(58)}99999`);
    expect(generateName("web-")).toMatch(/^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  });

  it("hashes equal values to equal suffixes, whatever the order and what is empty", () => {
    const hash = hashSuffix({ a: 1, b: { c: [1, 2] } });
    expect(hash).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]+$/);
    expect(hashSuffix({ b: { c: [1, 2] }, a: 1, d: undefined, e: [] })).toBe(hash);
    expect(hashSuffix({ a: 1, b: { c: [2, 1] } })).not.toBe(hash);
    expect(hashSuffix({ a: 1, b: { c: [1, 2] } }, 1)).not.toBe(hash);
    expect(safeEncode("0123456789")).toBe("456789bcdf");
  });
});
