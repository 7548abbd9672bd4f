import type { FieldError } from "../errors.ts";
import { semanticEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import type { AppArmorProfile, Pod } from "../types/core.v1.ts";
import { allContainers } from "./pod-defaults.ts";

/** Followed by the name of the container whose profile the annotation names; superseded by the field appArmorProfile (KEP-24). */
export const appArmorPrefix = "container.apparmor.security.beta.kubernetes.io/";

/** Profiles that annotations name come into the fields that took their place. */
export function syncAppArmor({ metadata: { annotations }, spec }: Pod): void {
  if (!annotations) return;
  for (const container of allContainers(spec)) {
    const profile = profileOf(annotations[appArmorPrefix + container.name]);
    if (!profile || container.securityContext?.appArmorProfile || semanticEqual(profile, spec.securityContext?.appArmorProfile)) continue;
    (container.securityContext ??= {}).appArmorProfile = profile;
  }
}

/** What the maker of a pod is told of such annotations. */
export function appArmorWarnings({ metadata: { annotations }, spec }: Pod): string[] {
  if (!annotations) return [];
  return allContainers(spec).flatMap(({ name, securityContext }) => {
    const key = appArmorPrefix + name;
    const isField = semanticEqual(profileOf(annotations[key]), securityContext?.appArmorProfile);
    return key in annotations && isField
      ? [`metadata.annotations[${key}]: deprecated since v1.30; use the "appArmorProfile" field instead`]
      : [];
  });
}

/** What is wrong with such annotations. */
export function validateAppArmorAnnotations({ metadata: { annotations }, spec }: Pod): FieldError[] {
  return Object.entries(annotations ?? {}).flatMap(([key, text]) => {
    if (!key.startsWith(appArmorPrefix)) return [];
    const field = `metadata.annotations[${key}]`;
    const name = key.slice(appArmorPrefix.length);
    return [
      ...(allContainers(spec).some((container) => container.name === name) ? [] : [fault.invalid(field, name, "container not found")]),
      ...(text === "" || text.startsWith("localhost/") || profileOf(text)
        ? []
        : [fault.invalid(field, text, `invalid AppArmor profile name: ${JSON.stringify(text)}`)]),
    ];
  });
}

function profileOf(text = ""): AppArmorProfile | undefined {
  if (text === "runtime/default") return { type: "RuntimeDefault" };
  if (text === "unconfined") return { type: "Unconfined" };
  const localhostProfile = /^localhost\/(.+)$/.exec(text)?.[1];
  return localhostProfile ? { type: "Localhost", localhostProfile } : undefined;
}
