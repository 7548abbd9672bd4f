import { milliValue, value } from "../api/meta/quantity.ts";
import type { Container, Pod } from "../api/types/core.v1.ts";

/** An amount of each resource: CPU in millicores, the others in bytes or pieces. Plain numbers: compared for thousands of nodes a pod. */
export interface Resources {
  cpu: number;
  memory: number;
  ephemeralStorage: number;
  /** Everything else by name (hugepages-2Mi, nvidia.com/gpu); undefined when there is none. */
  scalars: Record<string, number> | undefined;
}

/** What a container that asks for nothing counts as in scores, so that such pods spread, too. */
const scoreDefaults = { cpu: 100, memory: 200 * 1024 * 1024 };

/** Nothing of anything. */
export function noResources(): Resources {
  return { cpu: 0, memory: 0, ephemeralStorage: 0, scalars: undefined };
}

/** The amounts of a resource list as in the API. */
export function parseResources(list: Readonly<Record<string, string>> | undefined): Resources {
  const result = noResources();
  for (const [name, text] of Object.entries(list ?? {})) {
    if (name === "cpu") result.cpu = milliValue(text);
    else if (name === "memory") result.memory = value(text);
    else if (name === "ephemeral-storage") result.ephemeralStorage = value(text);
    else if (name !== "pods") (result.scalars ??= {})[name] = value(text);
  }
  return result;
}

/** Adds `factor` times `other` to `to`, in place. */
export function addResources(to: Resources, other: Resources, factor = 1): void {
  to.cpu += factor * other.cpu;
  to.memory += factor * other.memory;
  to.ephemeralStorage += factor * other.ephemeralStorage;
  if (!other.scalars) return;
  to.scalars ??= {};
  for (const [name, amount] of Object.entries(other.scalars)) to.scalars[name] = (to.scalars[name] ?? 0) + factor * amount;
}

/** A copy that can be changed. */
export function copyResources(of: Resources): Resources {
  return { ...of, scalars: of.scalars && { ...of.scalars } };
}

function max(a: Resources, b: Resources): Resources {
  const result: Resources = {
    cpu: Math.max(a.cpu, b.cpu),
    memory: Math.max(a.memory, b.memory),
    ephemeralStorage: Math.max(a.ephemeralStorage, b.ephemeralStorage),
    scalars: a.scalars && { ...a.scalars },
  };
  for (const [name, amount] of Object.entries(b.scalars ?? {})) {
    result.scalars ??= {};
    result.scalars[name] = Math.max(result.scalars[name] ?? 0, amount);
  }
  return result;
}

/** What one container asks for; while it is being resized, the larger of what is asked for and what it has. */
function containerRequests(pod: Pod, container: Container): Resources {
  const asked = parseResources(container.resources?.requests);
  const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  const status = statuses.find((s) => s.name === container.name);
  if (!status?.resources?.requests && !status?.allocatedResources) return asked;
  const has = max(parseResources(status.allocatedResources), parseResources(status.resources?.requests));
  const infeasible = pod.status.conditions?.some((c) => c.type === "PodResizePending" && c.reason === "Infeasible");
  return infeasible ? has : max(asked, has);
}

/**
 * What a pod takes from its node: the sum of its containers and sidecars, or the most that one init container needs beside the sidecars started
 * before it, whichever is more; pod-level requests (KEP-2837) instead where given; plus the overhead of its RuntimeClass.
 */
export function podRequests(pod: Pod): Resources {
  return sumOf(pod, (container) => containerRequests(pod, container));
}

/** Like podRequests, with a small amount for each container that asks for no CPU or memory: what the scores compare. */
export function podRequestsForScore(pod: Pod): Resources {
  return sumOf(pod, (container) => {
    const requests = containerRequests(pod, container);
    if (container.resources?.requests?.["cpu"] === undefined) requests.cpu = scoreDefaults.cpu;
    if (container.resources?.requests?.["memory"] === undefined) requests.memory = scoreDefaults.memory;
    return requests;
  });
}

function sumOf(pod: Pod, requestsOf: (container: Container) => Resources): Resources {
  const sum = noResources();
  for (const container of pod.spec.containers) addResources(sum, requestsOf(container));
  const sidecars = noResources();
  let init = noResources();
  for (const container of pod.spec.initContainers ?? []) {
    const requests = requestsOf(container);
    if (container.restartPolicy === "Always") {
      addResources(sum, requests);
      addResources(sidecars, requests);
      init = max(init, sidecars);
    } else {
      addResources(requests, sidecars);
      init = max(init, requests);
    }
  }
  const result = max(sum, init);
  overridePodLevel(result, pod.spec.resources?.requests);
  if (pod.spec.overhead) addResources(result, parseResources(pod.spec.overhead));
  return result;
}

function overridePodLevel(result: Resources, requests: Readonly<Record<string, string>> | undefined): void {
  if (!requests) return;
  const podLevel = parseResources(requests);
  if (requests["cpu"] !== undefined) result.cpu = podLevel.cpu;
  if (requests["memory"] !== undefined) result.memory = podLevel.memory;
  for (const [name, amount] of Object.entries(podLevel.scalars ?? {}))
    if (name.startsWith("hugepages-")) (result.scalars ??= {})[name] = amount;
}
