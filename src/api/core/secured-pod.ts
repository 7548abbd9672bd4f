import type { Container, Pod, PodSpec, SecurityContext } from "../types/core.v1.ts";

/** What a check asks about: a pod, or a workload's template. */
export interface SecuredPod {
  metadata: Pod["metadata"] | { annotations?: Record<string, string> };
  spec: PodSpec;
}

/** Why a pod does not fit a profile: the short reason, and what to change where. */
export interface SecurityViolation {
  reason: string;
  detail: string;
}

/** All containers of the pod, the initial ones first. */
export function containersOf({ spec }: SecuredPod): Container[] {
  // An ephemeral container has all the fields that are looked at.
  return [...(spec.initContainers ?? []), ...spec.containers, ...((spec.ephemeralContainers ?? []) as Container[])];
}

/** The names of the containers for which that is so. */
export function named(pod: SecuredPod, test: (context: SecurityContext, container: Container) => boolean): string[] {
  return containersOf(pod)
    .filter((container) => test(container.securityContext ?? {}, container))
    .map(({ name }) => name);
}

/** A violation of that short reason. */
export function violation(reason: string, detail: string): SecurityViolation {
  return { reason, detail };
}

/** `"a", "b"`. */
export function list(values: Iterable<string>): string {
  return [...values].map((value) => JSON.stringify(value)).join(", ");
}

/** The word for so many. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return count === 1 ? one : many;
}

/** `containers "a", "b"`. */
export function containers(names: readonly string[]): string {
  return `${plural(names.length, "container")} ${list(names)}`;
}

/** `pod and containers "a", "b"`: who sets what must not be set. */
export function setters(pod: boolean, names: readonly string[]): string {
  return [...(pod ? ["pod"] : []), ...(names.length > 0 ? [containers(names)] : [])].join(" and ");
}

/** Each value once, in order. */
export function sortedSet(values: Iterable<string>): string[] {
  return [...new Set(values)].sort();
}

/** Whether checks that make no sense on Windows are left out. */
export function isWindows({ spec }: SecuredPod, minor: number): boolean {
  return minor >= 25 && spec.os?.name === "windows";
}

/** A user namespace of its own makes root harmless (KEP-127). */
export function isApart({ spec }: SecuredPod, minor: number): boolean {
  return minor >= 35 && spec.hostUsers === false;
}
