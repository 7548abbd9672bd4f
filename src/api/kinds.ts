import { podRules } from "./core/pod.ts";
import { persistentVolumeClaimRules } from "./core/persistent-volume-claim.ts";
import type { KindRules } from "./kind.ts";
import type { KubeObject } from "./meta/object.ts";
import type { ResourceInfo } from "./resource.ts";

/** Kinds by group and kind, with the version where versions differ. */
const rules: Readonly<Record<string, KindRules>> = {
  "/Pod": kind(podRules),
  "/PersistentVolumeClaim": kind(persistentVolumeClaimRules),
};

const none: KindRules = {};

/** What only that kind knows; empty for kinds without special rules and for custom resources. */
export function rulesOf({ group, version, kind }: Pick<ResourceInfo, "group" | "version" | "kind">): KindRules {
  return rules[`${group}/${version}/${kind}`] ?? rules[`${group}/${kind}`] ?? none;
}

// The table is indexed by the kind that the rules are for, so they only ever see objects of it.
function kind<T extends KubeObject>(special: KindRules<T>): KindRules {
  return special as KindRules;
}
