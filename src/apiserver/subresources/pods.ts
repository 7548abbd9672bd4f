import { type FieldError, invalid } from "../../api/errors.ts";
import { deepEqual } from "../../api/meta/equality.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import type { Container, Pod } from "../../api/types/core.v1.ts";
import { copyOf, typed } from "../plain-data.ts";
import type { ObjectSubresource, ResourceHandler } from "../resource-handler.ts";

type PodMerge = (pod: Pod, sent: Pod) => void;

function podSubresource(handler: ResourceHandler, merge: PodMerge, check: (pod: Pod, old: Pod) => FieldError[]): ObjectSubresource {
  return {
    shape: "object",
    schema: handler.schema,
    type: handler.info.type,
    apiVersion: "v1",
    kind: "Pod",
    verbs: ["get", "patch", "update"],
    show: (object) => object,
    merge(old, sent) {
      const object = copyOf<KubeObject>(old);
      merge(typed<Pod>(object), typed<Pod>(sent));
      return object;
    },
    validate: (object, old) => [...(handler.rules.validate?.(object) ?? []), ...check(typed<Pod>(object), typed<Pod>(old))],
  };
}

/** pods/NAME/ephemeralcontainers: adds debug containers to a running pod; nothing else of it changes (KEP-277). */
export function ephemeralContainers(handler: ResourceHandler): ObjectSubresource {
  const merge: PodMerge = (pod, sent) => {
    if (sent.spec.ephemeralContainers) pod.spec.ephemeralContainers = sent.spec.ephemeralContainers;
    else delete pod.spec.ephemeralContainers;
  };
  return podSubresource(handler, merge, (pod, old) => {
    const errors: FieldError[] = [];
    const refuse = (message: string): void => {
      errors.push({ reason: "FieldValueForbidden", field: "spec.ephemeralContainers", message: `Forbidden: ${message}` });
    };
    if (old.metadata.annotations?.["kubernetes.io/config.mirror"]) refuse("static pods do not support ephemeral containers");
    const now = new Map((pod.spec.ephemeralContainers ?? []).map((container) => [container.name, container]));
    for (const before of old.spec.ephemeralContainers ?? []) {
      const after = now.get(before.name);
      if (!after) refuse(`existing ephemeral containers "${before.name}" may not be removed\n`);
      else if (!deepEqual(after, before)) refuse(`existing ephemeral containers "${before.name}" may not be changed\n`);
    }
    return errors;
  });
}

/** pods/NAME/resize: changes the resources of running containers (KEP-1287). */
export function resize(handler: ResourceHandler): ObjectSubresource {
  const merge: PodMerge = (pod, sent) => {
    for (const list of ["containers", "initContainers"] as const) {
      const wanted = sent.spec[list] ?? [];
      if (wanted.length !== (pod.spec[list] ?? []).length) throw reshaped(pod, list);
      pod.spec[list]?.forEach((container, i) => {
        const from = wanted[i];
        if (from?.name !== container.name) throw reshaped(pod, list);
        takeResources(container, from);
      });
    }
  };
  return podSubresource(handler, merge, (pod, old) => {
    if (qosClass(pod) === qosClass(old)) return [];
    const message = `Invalid value: ${JSON.stringify(qosClass(pod))}: Pod QOS Class may not change as a result of resizing`;
    return [{ reason: "FieldValueInvalid", field: "spec", message }];
  });
}

function takeResources(container: Container, from: Container): void {
  for (const member of ["resources", "resizePolicy"] as const) {
    if (from[member] === undefined) delete container[member];
    else Object.assign(container, { [member]: from[member] });
  }
}

function reshaped(pod: Pod, list: string): Error {
  const message = "Forbidden: containers may not be added, removed, reordered or renamed on resize";
  return invalid({ kind: "Pod", name: pod.metadata.name }, [{ reason: "FieldValueForbidden", field: `spec.${list}`, message }]);
}

/** Guaranteed when every container limits cpu and memory to what it requests, BestEffort when none asks for anything. */
function qosClass(pod: Pod): string {
  const all = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].map((container) => container.resources ?? {});
  const kinds = ["cpu", "memory"];
  if (all.every(({ requests, limits }) => kinds.every((kind) => !requests?.[kind] && !limits?.[kind]))) return "BestEffort";
  const guaranteed = all.every(({ requests, limits }) =>
    kinds.every((kind) => limits?.[kind] !== undefined && (requests?.[kind] ?? limits[kind]) === limits[kind]),
  );
  return guaranteed ? "Guaranteed" : "Burstable";
}
