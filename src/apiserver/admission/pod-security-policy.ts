import { type SecurityLevel, securityLevels } from "../../api/core/pod-security.ts";
import { configurationOf, list, object, oneOf, text } from "../configuration/shape.ts";

export const labelPrefix = "pod-security.kubernetes.io/";

/** enforce refuses, audit notes in the audit log, warn warns the client. */
export const securityModes = ["enforce", "audit", "warn"] as const;

/** A level of the Pod Security Standards as of a version of Kubernetes: "latest" or "v1.30". */
export interface Policy {
  level: SecurityLevel;
  version: string;
}

/** What holds in a namespace. */
export type Policies = Readonly<Record<(typeof securityModes)[number], Policy>>;

/** What holds in namespaces without labels, and for whom nothing holds. */
export interface PodSecuritySettings {
  defaults: Policies;
  usernames: ReadonlySet<string>;
  namespaces: ReadonlySet<string>;
  runtimeClasses: ReadonlySet<string>;
}

const privileged: Policy = { level: "privileged", version: "latest" };

/** Without a configuration only labels count. */
export const podSecurityDefaults: PodSecuritySettings = {
  defaults: { enforce: privileged, audit: privileged, warn: privileged },
  usernames: new Set(),
  namespaces: new Set(),
  runtimeClasses: new Set(),
};

const group = "pod-security.admission.config.k8s.io";
const kind = {
  versions: [`${group}/v1`, `${group}/v1beta1`, `${group}/v1alpha1`],
  kind: "PodSecurityConfiguration",
  fields: {
    defaults: object({ enforce: text, "enforce-version": text, audit: text, "audit-version": text, warn: text, "warn-version": text }),
    exemptions: object({ usernames: list(text), namespaces: list(text), runtimeClasses: list(text) }),
  },
};

/** Reads a PodSecurityConfiguration. Throws an Error that names the field that is wrong. */
export function podSecuritySettings(configuration: unknown): PodSecuritySettings {
  const { defaults = {}, exemptions = {} } = configurationOf(configuration, kind);
  const policy = (mode: (typeof securityModes)[number]): Policy => {
    const version = defaults[`${mode}-version`] ?? "latest";
    if (!isVersion(version)) throw new Error(`defaults.${mode}-version: Invalid value: "${version}": must be "latest" or "v1.x"`);
    return { level: oneOf(`defaults.${mode}`, defaults[mode] ?? "privileged", securityLevels), version };
  };
  const set = (name: keyof typeof exemptions): Set<string> => {
    const names = exemptions[name] ?? [];
    for (const [index, one] of names.entries()) {
      if (one === "") throw new Error(`exemptions.${name}[${index}]: Invalid value: "": must not be empty`);
      if (names.indexOf(one) < index) throw new Error(`exemptions.${name}[${index}]: Duplicate value: "${one}"`);
    }
    return new Set(names);
  };
  return {
    defaults: { enforce: policy("enforce"), audit: policy("audit"), warn: policy("warn") },
    ...{ usernames: set("usernames"), namespaces: set("namespaces"), runtimeClasses: set("runtimeClasses") },
  };
}

/** Whether a label's value is a version. */
export function isVersion(version: string): boolean {
  return /^(latest|v1\.([0-9]|[1-9][0-9]*))$/.test(version);
}

/** The minor version that a policy is of; Infinity for the latest. */
export function minorOf(version: string): number {
  return version === "latest" ? Infinity : Number(version.slice("v1.".length));
}

/** What the labels say, and the defaults where they say nothing. A level that is none counts as the strictest when it is enforced. */
export function policiesOf(labels: Readonly<Record<string, string>>, defaults: Policies): Policies {
  const of = (mode: (typeof securityModes)[number]): Policy => {
    const [level, version] = [labels[labelPrefix + mode], labels[`${labelPrefix}${mode}-version`]];
    const known = securityLevels.find((one) => one === level) ?? (mode === "enforce" ? "restricted" : "privileged");
    return {
      level: level === undefined ? defaults[mode].level : known,
      version: version === undefined ? defaults[mode].version : isVersion(version) ? version : "latest",
    };
  };
  const policies = { enforce: of("enforce"), audit: of("audit"), warn: of("warn") };
  // Who enforces a level wants to hear of workloads whose pods will not be let in.
  const stricter = securityLevels.indexOf(policies.enforce.level) > securityLevels.indexOf(policies.warn.level);
  const set = securityLevels.some((one) => one === labels[`${labelPrefix}enforce`]);
  if (!set || !stricter || labels[`${labelPrefix}warn`] !== undefined) return policies;
  const { level, version } = policies.enforce;
  return { ...policies, warn: { level, version: labels[`${labelPrefix}warn-version`] === undefined ? version : policies.warn.version } };
}
