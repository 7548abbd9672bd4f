import { describe, expect, test } from "vitest";
import type { PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec } from "../../../src/api/types/core.v1.ts";
import type { StorageClass } from "../../../src/api/types/storage.v1.ts";
import { cluster, node, pod } from "./objects.ts";

const meta = (name: string) => ({ name, uid: name, resourceVersion: "1", creationTimestamp: "" });

function claim(name: string, storageClassName: string, bound?: string, annotations: Record<string, string> = {}): PersistentVolumeClaim {
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { ...meta(name), namespace: "default", annotations: bound ? { "pv.kubernetes.io/bind-completed": "yes" } : annotations },
    spec: { storageClassName, accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, volumeName: bound },
    status: {},
  };
}

function volume(name: string, nodeName: string, spec: Partial<PersistentVolumeSpec> = {}): PersistentVolume {
  const matchExpressions = [{ key: "kubernetes.io/hostname", operator: "In" as const, values: [nodeName] }];
  return {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: meta(name),
    spec: {
      storageClassName: "local",
      accessModes: ["ReadWriteOnce"],
      capacity: { storage: "1Gi" },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions }] } },
      ...spec,
    },
    status: { phase: "Available" },
  };
}

const storageClass = (name: string, provisioner: string, volumeBindingMode: StorageClass["volumeBindingMode"]): StorageClass => ({
  apiVersion: "storage.k8s.io/v1",
  kind: "StorageClass",
  metadata: meta(name),
  provisioner,
  volumeBindingMode,
});
const classes = [
  storageClass("local", "kubernetes.io/no-provisioner", "WaitForFirstConsumer"),
  storageClass("dynamic", "example.com/disk", "WaitForFirstConsumer"),
  storageClass("now", "example.com/disk", "Immediate"),
];
const using = (name: string) => pod("p", { spec: { volumes: [{ name: "v", persistentVolumeClaim: { claimName: name } }] } });

describe("pods go where their volumes are", () => {
  const none = "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind.";
  test.each<[string, PersistentVolumeClaim[], PersistentVolume[], string]>([
    ["no such claim", [], [], `0/2 nodes are available: persistentvolumeclaim "data" not found.`],
    [
      "a claim that is bound at once, but not yet",
      [claim("data", "now")],
      [],
      "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
    ],
    ["bound", [claim("data", "local", "v")], [volume("v", "b")], "b"],
    [
      "bound to a volume that is gone",
      [claim("data", "local", "v")],
      [],
      "0/2 nodes are available: 2 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s).",
    ],
    [
      "bound to a volume nobody can reach",
      [claim("data", "local", "v")],
      [volume("v", "c")],
      "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity.",
    ],
    ["waits for its first consumer: where a volume is free", [claim("data", "local")], [volume("v", "b")], "b"],
    ["too small a volume", [claim("data", "local")], [volume("v", "b", { capacity: { storage: "1Mi" } })], none],
    ["somebody else's volume", [claim("data", "local")], [volume("v", "b", { claimRef: { namespace: "default", name: "other" } })], none],
    ["reserved by hand", [claim("data", "local")], [volume("v", "b", { claimRef: { namespace: "default", name: "data" } })], "b"],
    ["nothing there, but it can be made", [claim("data", "dynamic")], [], "a"],
    ["being made for a node", [claim("data", "dynamic", undefined, { "volume.kubernetes.io/selected-node": "b" })], [], "b"],
  ])("%s", (_name, claims, volumes, expected) => {
    expect(cluster([node("a"), node("b")], [], { claims, volumes, classes }).place(using("data"))).toBe(expected);
  });

  test("ReadWriteOncePod: one pod at a time", () => {
    const data = claim("data", "local", "v");
    data.spec.accessModes = ["ReadWriteOncePod"];
    const user = using("data");
    const there = {
      ...user,
      metadata: { ...user.metadata, name: "user", uid: "user" },
      spec: { ...user.spec, nodeName: "a", priority: -1 },
    };
    const c = cluster([node("a")], [there], { claims: [data], volumes: [volume("v", "a")], classes });
    expect(c.place(user)).toBe(
      "0/1 nodes are available: 1 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod.",
    );
    expect(c.preempt(user).candidate?.victims.map((v) => v.pod.metadata.name)).toEqual(["user"]);
  });
});
