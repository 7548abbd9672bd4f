import {
  addQuantities,
  approximateValue,
  canonicalQuantity,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  zeroQuantity,
} from "../../api/meta/quantity.ts";
import type { Container, LimitRange, LimitRangeItem, PersistentVolumeClaim, Pod } from "../../api/types/core.v1.ts";
import { LimitRanges } from "../../api/types/resources.ts";
import type { Objects } from "../objects.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission.ts";
import { createdPod, isFor, refuse } from "./request.ts";

type Amounts = Readonly<Record<string, string>>;

/** Requests and limits that LimitRanges of the namespace give by default, and their bounds. */
export function limitRanger(objects: Objects): AdmissionPlugin {
  return {
    name: "LimitRanger",
    resources: ["pods", "persistentvolumeclaims"],
    admit(request) {
      const pod = createdPod(request);
      if (!pod) return;
      for (const range of objects.list(LimitRanges, request.namespace)) applyDefaults(range, pod);
    },
    validate(request) {
      const ranges = objects.list(LimitRanges, request.namespace);
      if (ranges.length === 0) return;
      const errors = ranges.flatMap((range) => violations(range, request));
      if (errors.length > 0) throw refuse(request, errors.length === 1 ? (errors[0] ?? "") : `[${errors.join(", ")}]`);
    },
  };
}

function violations({ spec }: LimitRange, request: AdmissionRequest): string[] {
  const pod = createdPod(request) ?? (isFor(request, "pods", "resize") ? (request.object as Pod) : undefined); // The resource says which kind it is.
  if (pod) return (spec?.limits ?? []).flatMap((limit) => podViolations(limit, pod));
  if (!isFor(request, "persistentvolumeclaims") || request.operation === "DELETE" || !request.object) return [];
  const claim = request.object as PersistentVolumeClaim; // As above.
  return (spec?.limits ?? []).flatMap((limit) => claimViolations(limit, claim));
}

/** Fills in what containers leave open, and notes it in an annotation as upstream does. */
function applyDefaults({ spec }: LimitRange, pod: Pod): void {
  const requests: Record<string, string> = {};
  const limits: Record<string, string> = {};
  for (const limit of spec?.limits ?? []) {
    if (limit.type !== "Container") continue;
    Object.assign(requests, limit.defaultRequest);
    Object.assign(limits, limit.default);
  }
  const notes = [
    ...pod.spec.containers.flatMap((container) => fill(container, "container", requests, limits)),
    ...(pod.spec.initContainers ?? []).flatMap((container) => fill(container, "init container", requests, limits)),
  ];
  if (notes.length === 0) return;
  const annotations = (pod.metadata.annotations ??= {});
  annotations["kubernetes.io/limit-ranger"] = `LimitRanger plugin set: ${notes.join("; ")}`;
}

function fill(container: Container, kind: string, requests: Amounts, limits: Amounts): string[] {
  const set = (field: "requests" | "limits", defaults: Amounts): string[] => {
    const own = container.resources?.[field] ?? {};
    const missing = Object.keys(defaults).filter((name) => own[name] === undefined);
    if (missing.length === 0) return [];
    container.resources = { ...container.resources, [field]: { ...defaults, ...own } };
    return [`${missing.sort().join(", ")} ${field.slice(0, -1)} for ${kind} ${container.name}`];
  };
  return [...set("requests", requests), ...set("limits", limits)];
}

function podViolations(limit: LimitRangeItem, pod: Pod): string[] {
  const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  if (limit.type === "Container")
    return containers.flatMap(({ resources }) => bounds(limit, resources?.requests ?? {}, resources?.limits ?? {}));
  if (limit.type !== "Pod") return [];
  return bounds(limit, podTotal(pod, "requests"), podTotal(pod, "limits"));
}

/** The sum of the containers, or the most that one init container needs; sidecars count with the containers. */
function podTotal({ spec }: Pod, field: "requests" | "limits"): Amounts {
  if (spec.resources?.[field]) return spec.resources[field];
  const sidecars = (spec.initContainers ?? []).filter((container) => container.restartPolicy === "Always");
  const containers = [...spec.containers, ...sidecars];
  const names = new Set(containers.flatMap((container) => Object.keys(container.resources?.[field] ?? {})));
  const total: Record<string, string> = {};
  for (const name of names) {
    // One container without the limit makes the pod unlimited.
    const amounts = containers.map((container) => container.resources?.[field]?.[name]).filter((amount) => amount !== undefined);
    if (field === "limits" && amounts.length < containers.length) continue;
    total[name] = formatQuantity(amounts.map(parseQuantity).reduce(addQuantities, zeroQuantity));
  }
  for (const container of spec.initContainers ?? [])
    for (const [name, amount] of Object.entries(container.resources?.[field] ?? {}))
      if (total[name] === undefined ? field === "requests" : compareQuantities(amount, total[name]) > 0) total[name] = amount;
  return total;
}

function claimViolations(limit: LimitRangeItem, claim: PersistentVolumeClaim): string[] {
  if (limit.type !== "PersistentVolumeClaim") return [];
  const requests = claim.spec.resources?.requests ?? {};
  return [
    ...Object.entries(limit.min ?? {}).flatMap(([name, bound]) => atLeast(limit.type, name, bound, requests[name], undefined)),
    ...Object.entries(limit.max ?? {}).flatMap(([name, bound]) =>
      above(usage("maximum", limit.type, name, bound), bound, { request: requests[name] }),
    ),
  ];
}

function bounds(limit: LimitRangeItem, requests: Amounts, limits: Amounts): string[] {
  const sorted = (amounts: Amounts | undefined): [string, string][] => Object.entries(amounts ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    ...sorted(limit.min).flatMap(([name, bound]) => atLeast(limit.type, name, bound, requests[name], limits[name])),
    ...sorted(limit.max).flatMap(([name, bound]) => atMost(limit.type, name, bound, requests[name], limits[name])),
    ...sorted(limit.maxLimitRequestRatio).flatMap(([name, bound]) => ratio(limit.type, name, bound, requests[name], limits[name])),
  ];
}

function usage(which: "minimum" | "maximum", type: string, name: string, bound: string): string {
  return `${which} ${name} usage per ${type} is ${canonicalQuantity(bound)}`;
}

function atLeast(type: string, name: string, bound: string, request: string | undefined, limit: string | undefined): string[] {
  const text = usage("minimum", type, name, bound);
  if (request === undefined) return [`${text}.  No request is specified`];
  if (compareQuantities(request, bound) < 0) return [`${text}, but request is ${canonicalQuantity(request)}`];
  return limit !== undefined && compareQuantities(limit, bound) < 0 ? [`${text}, but limit is ${canonicalQuantity(limit)}`] : [];
}

function atMost(type: string, name: string, bound: string, request: string | undefined, limit: string | undefined): string[] {
  const text = usage("maximum", type, name, bound);
  return limit === undefined ? [`${text}.  No limit is specified`] : above(text, bound, { limit, request });
}

function above(text: string, bound: string, amounts: { limit?: string; request?: string }): string[] {
  for (const [name, amount] of Object.entries(amounts))
    if (amount !== undefined && compareQuantities(amount, bound) > 0) return [`${text}, but ${name} is ${canonicalQuantity(amount)}`];
  return "limit" in amounts || amounts.request !== undefined ? [] : [`${text}.  No request is specified`];
}

function ratio(type: string, name: string, bound: string, request: string | undefined, limit: string | undefined): string[] {
  const text = `${name} max limit to request ratio per ${type} is ${canonicalQuantity(bound)}`;
  if (request === undefined || compareQuantities(request, "0") === 0) return [`${text}, but no request is specified or request is 0`];
  if (limit === undefined || compareQuantities(limit, "0") === 0) return [`${text}, but no limit is specified or limit is 0`];
  const observed = approximateValue(limit) / approximateValue(request);
  return observed > approximateValue(bound) ? [`${text}, but provided ratio is ${observed.toFixed(6)}`] : [];
}
