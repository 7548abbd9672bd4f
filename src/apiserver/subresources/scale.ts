import { type FieldError, invalid } from "../../api/errors.ts";
import { formatSelector, selectorOfLabels, selectorOfLabelSelector } from "../../api/meta/labels.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import { compileType } from "../../api/schema/compiled.ts";
import type { LabelSelector } from "../../api/types/meta.v1.ts";
import { copyOf } from "../plain-data.ts";
import type { ObjectSubresource } from "../resource-handler.ts";

/** An autoscaling/v1 Scale. */
interface Scale extends KubeObject {
  spec?: { replicas?: number };
  status: { replicas: number; selector?: string };
}

/** An object that can be scaled, as far as Scale is concerned. */
interface Scalable extends KubeObject {
  spec?: { replicas?: number; selector?: LabelSelector | Record<string, string> };
  status?: { replicas?: number };
}

/** How a kind keeps what a Scale shows. */
export interface ScaleAccess {
  getReplicas(object: Readonly<KubeObject>): number | undefined;
  setReplicas(object: KubeObject, replicas: number): void;
  statusReplicas(object: Readonly<KubeObject>): number | undefined;
  /** The pods' selector as text. */
  selector(object: Readonly<KubeObject>): string | undefined;
}

/** The one place where any object is taken for a scalable one. */
function scalable(object: Readonly<KubeObject>): Scalable {
  return object;
}

/** Workloads of the core and apps groups: spec.replicas, status.replicas, spec.selector. */
export const workloadScale: ScaleAccess = {
  getReplicas: (object) => scalable(object).spec?.replicas,
  setReplicas(object, replicas) {
    const workload = scalable(object);
    workload.spec = { ...workload.spec, replicas };
  },
  statusReplicas: (object) => scalable(object).status?.replicas,
  selector(object) {
    const selector = scalable(object).spec?.selector;
    if (!selector) return undefined;
    const isLabelSelector = "matchLabels" in selector || "matchExpressions" in selector;
    const compiled = isLabelSelector ? selectorOfLabelSelector(selector) : selectorOfLabels(flat(selector));
    return formatSelector([...compiled.requirements].sort((a, b) => (a.key < b.key ? -1 : 1)));
  },
};

function flat(selector: object): Record<string, string> {
  return Object.fromEntries(Object.entries(selector).map(([key, value]) => [key, String(value)]));
}

/** NAME/scale: the replicas of an object, read and written without knowing its kind. */
export function scaleSubresource(access: ScaleAccess): ObjectSubresource {
  return {
    shape: "object",
    schema: compileType("autoscaling.v1.Scale"),
    type: "autoscaling.v1.Scale",
    apiVersion: "autoscaling/v1",
    kind: "Scale",
    verbs: ["get", "patch", "update"],
    show: (object) => scaleOf(object, access),
    merge(old, sent, call) {
      const replicas = specReplicas(sent);
      const errors = negative(replicas);
      if (errors.length > 0) throw invalid({ group: "autoscaling", kind: "Scale", name: call.name }, errors);
      const object = copyOf<KubeObject>(old);
      access.setReplicas(object, replicas);
      return object;
    },
    validate: () => [],
  };
}

function scaleOf(object: Readonly<KubeObject>, access: ScaleAccess): Scale {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const replicas = access.getReplicas(object) ?? 0;
  const selector = access.selector(object);
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: replicas > 0 ? { replicas } : {},
    status: { replicas: access.statusReplicas(object) ?? 0, ...(selector ? { selector } : {}) },
  };
}

function specReplicas(sent: KubeObject): number {
  const spec: unknown = Reflect.get(sent, "spec");
  const replicas: unknown = typeof spec === "object" && spec !== null ? Reflect.get(spec, "replicas") : undefined;
  return typeof replicas === "number" ? replicas : 0;
}

function negative(replicas: number): FieldError[] {
  if (replicas >= 0) return [];
  const message = `Invalid value: ${replicas}: must be greater than or equal to 0`;
  return [{ reason: "FieldValueInvalid", field: "spec.replicas", message }];
}
