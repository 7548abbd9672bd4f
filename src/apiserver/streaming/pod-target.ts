import { badRequest, type FieldError, invalid, notFound } from "../../api/errors.ts";
import * as fault from "../../api/meta/field-errors.ts";
import type { Pod } from "../../api/types/core.v1.ts";
import { Nodes, Pods } from "../../api/types/resources.ts";
import type { Objects } from "../objects.ts";
import { type KubeletAddress, kubeletAddress } from "./kubelet.ts";

/** The pod of that name. Throws NotFound. */
export function podOf(objects: Objects, namespace: string, name: string): Pod {
  const pod = objects.get(Pods, namespace, name);
  if (!pod) throw notFound({ kind: "pods", name });
  return pod;
}

/** The container that a request means: the one it names, or the only one. Throws BadRequest with upstream's words. */
export function containerOf({ metadata, spec }: Pod, asked: string | null): string {
  const names = [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])].map(({ name }) => name);
  if (asked) {
    if (!names.includes(asked)) throw badRequest(`container ${asked} is not valid for pod ${metadata.name}`);
    return asked;
  }
  const [only] = spec.containers;
  if (only && names.length === 1) return only.name;
  throw badRequest(`a container name must be specified for pod ${metadata.name}, choose one of: [${names.join(" ")}]`);
}

/** Where the kubelet of the pod's node listens; undefined while the pod is on no node. */
export function kubeletOf(objects: Objects, { spec }: Pod): KubeletAddress | undefined {
  if (!spec.nodeName) return undefined;
  const node = objects.get(Nodes, undefined, spec.nodeName);
  if (!node) throw notFound({ kind: "nodes", name: spec.nodeName });
  return kubeletAddress(node);
}

/** As kubeletOf; throws BadRequest for a pod that is on no node. */
export function requireKubelet(objects: Objects, pod: Pod): KubeletAddress {
  const address = kubeletOf(objects, pod);
  if (!address) throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
  return address;
}

/** Refuses log options that cannot be. */
export function validateLogOptions(name: string, query: URLSearchParams): void {
  const errors: FieldError[] = [];
  const atLeast = (field: string, least: number, why: string): void => {
    const text = query.get(field);
    if (text !== null && !(Number(text) >= least)) errors.push(fault.invalid(field, Number(text), why));
  };
  atLeast("tailLines", 0, "must be greater than or equal to 0");
  atLeast("limitBytes", 1, "must be greater than 0");
  const [since, from] = [query.get("sinceSeconds"), query.get("sinceTime")];
  if (since !== null && from !== null) errors.push(fault.forbidden("[]", "at most one of `sinceTime` or `sinceSeconds` may be specified"));
  else atLeast("sinceSeconds", 1, "must be greater than 0");
  if (errors.length > 0) throw invalid({ kind: "PodLogOptions", name }, errors);
}
