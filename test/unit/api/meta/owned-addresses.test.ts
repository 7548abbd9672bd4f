import { describe, expect, test } from "vitest";
import { compareObjects } from "../../../../src/api/meta/apply/comparison.ts";
import { ManagedFields, managerOf } from "../../../../src/api/meta/apply/managed-fields.ts";
import { schemaOf } from "../../../../src/api/schema/node.ts";

const node = schemaOf("core.v1.Pod");
const kubelet = managerOf("kubelet", "Update", "v1", "status");
const other = managerOf("other", "Update", "v1", "");

const pod = (...ips: string[]): object => ({ metadata: {}, spec: {}, status: { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) } });
const owned = (...ips: string[]): Record<string, unknown> => ({
  "f:status": {
    "f:podIP": {},
    "f:podIPs": { ".": {}, ...Object.fromEntries(ips.map((ip) => [`k:{"ip":"${ip}"}`, { ".": {}, "f:ip": {} }])) },
  },
});

const nothing = { metadata: {}, spec: {}, status: {} };

/** Who owns what after the states followed each other, all written by the kubelet. */
function written(...states: object[]): ManagedFields | undefined {
  const begun = ManagedFields.fromEntries([{ manager: "other", operation: "Update", apiVersion: "v1", fieldsV1: { "f:spec": {} } }]);
  return states.slice(1).reduce<ManagedFields | undefined>((managed, after, i) => {
    return managed?.afterUpdate(compareObjects(states[i] ?? {}, after, node), kubelet, undefined);
  }, begun);
}

const fieldsOf = (managed: ManagedFields | undefined): unknown => managed?.entries.find(({ manager }) => manager === "kubelet")?.fieldsV1;

describe("a pod's address in what is owned", () => {
  test("is its own, and the rest is shared with other pods", () => {
    const [one, two] = [written(nothing, pod("10.42.0.5")), written(nothing, pod("10.42.0.6"))];
    expect(fieldsOf(one)).toEqual(owned("10.42.0.5"));
    expect(fieldsOf(two)).toEqual(owned("10.42.0.6"));
    const shapes = [one, two].map((managed) => managed?.owners.find(({ by }) => by === kubelet)?.set.shape);
    expect(shapes[0]).toBeDefined();
    expect(shapes[0]).toBe(shapes[1]);
  });

  test("is the new one after a change", () => {
    expect(fieldsOf(written(nothing, pod("10.42.0.5"), pod("10.42.0.7")))).toEqual(owned("10.42.0.7"));
  });

  test("goes when it is taken away", () => {
    expect(fieldsOf(written(nothing, pod("10.42.0.5"), { ...nothing, status: { phase: "Failed" } }))).toEqual({
      "f:status": { "f:phase": {} },
    });
  });

  test.each([[["10.42.0.5", "fd00::5"]], [["fd00::5", "10.42.0.5"]]])("may be two: %j", (ips) => {
    const managed = written(nothing, pod(...ips));
    expect(fieldsOf(managed)).toEqual(owned(...ips.toSorted()));
    expect(JSON.stringify(fieldsOf(managed))).toBe(JSON.stringify(owned(...ips.toSorted())));
    expect(fieldsOf(written(nothing, pod("10.42.0.5"), pod(...ips), pod("fd00::5")))).toEqual(owned("fd00::5"));
  });

  test("is read again from its text", () => {
    const managed = written(nothing, pod("10.42.0.5"));
    const again = ManagedFields.fromText(managed?.text ?? "");
    expect(again?.text).toBe(managed?.text);
    expect(again?.owners.at(-1)?.set.shape).toBe(managed?.owners.at(-1)?.set.shape);
  });

  test("of another manager is taken over", () => {
    const sent = ManagedFields.fromEntries([{ manager: "other", operation: "Update", apiVersion: "v1", fieldsV1: owned("10.42.0.5") }]);
    const after = sent?.afterUpdate(compareObjects(pod("10.42.0.5"), pod("10.42.0.9"), node), kubelet, undefined);
    expect(fieldsOf(after)).toEqual({ "f:status": { "f:podIP": {}, "f:podIPs": { 'k:{"ip":"10.42.0.9"}': { ".": {}, "f:ip": {} } } } });
    expect(after?.entries.find(({ manager }) => manager === other.name)?.fieldsV1).toEqual({ "f:status": { "f:podIPs": {} } });
  });

  test("that is none is a text like any other", () => {
    const managed = written(nothing, pod('a"b'), pod("?"));
    expect(fieldsOf(managed)).toEqual(owned("?"));
  });
});
