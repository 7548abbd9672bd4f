import type { RequestAttributes } from "../../api/user.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Objects } from "../objects.ts";
import type { Registry } from "../registry.ts";
import type { AdmissionPlugin } from "./admission.ts";
import { certificateAdmission } from "./certificates.ts";
import { defaultIngressClass } from "./default-ingress-class.ts";
import { defaultStorageClass } from "./default-storage-class.ts";
import { defaultTolerationSeconds } from "./default-toleration-seconds.ts";
import { limitRanger } from "./limit-ranger.ts";
import { namespaceLifecycle } from "./namespace-lifecycle.ts";
import { nodeDeclaredFeatureValidator } from "./node-declared-feature-validator.ts";
import { nodeRestriction } from "./node-restriction.ts";
import { inOrder } from "./plugins.ts";
import { persistentVolumeClaimResize } from "./persistent-volume-claim-resize.ts";
import { podResizeValidator } from "./pod-resize-validator.ts";
import { podSecurity } from "./pod-security.ts";
import type { PodSecuritySettings } from "./pod-security-policy.ts";
import { podTopologyLabels } from "./pod-topology-labels.ts";
import { priority } from "./priority.ts";
import { resourceQuota } from "./resource-quota.ts";
import { runtimeClass } from "./runtime-class.ts";
import { serviceAccount } from "./service-account.ts";
import { storageObjectInUseProtection } from "./storage-object-in-use-protection.ts";
import { taintNodesByCondition } from "./taint-nodes-by-condition.ts";

export type { AdmissionPlugin } from "./admission.ts";

/** What admission plugins work with. */
export interface AdmissionOptions {
  objects: Objects;
  clock: Clock;
  /** Five random characters, as for generateName. */
  nameSuffix: () => string;
  /** Whether the access is allowed: the decision of authorisation. */
  isAllowed(attributes: RequestAttributes): boolean | Promise<boolean>;
  /** Makes a namespace of that name, for NamespaceAutoProvision. */
  createNamespace?: (name: string) => Promise<void>;
  /** The API server's; made after admission. */
  registry: () => Registry;
  /** Plugins that are not to run, by name. */
  disabled?: ReadonlySet<string>;
  /** Plugins that run only where they are asked for. */
  added?: readonly ((options: AdmissionOptions) => AdmissionPlugin)[];
  podSecurity?: PodSecuritySettings;
  /** Plugins that run after the built-in ones and before quota: webhooks, policies, the RBAC escalation check. */
  more?: readonly AdmissionPlugin[];
}

/** The plugins in upstream's order. Quota comes last, so that it reserves only for what nobody else refuses. */
export function createAdmission(options: AdmissionOptions): AdmissionPlugin[] {
  const { objects } = options;
  const { disabled, added = [] } = options;
  const plugins = [
    namespaceLifecycle(objects),
    limitRanger(objects),
    serviceAccount(options),
    nodeRestriction(options),
    taintNodesByCondition,
    podSecurity(objects, options.podSecurity),
    priority(objects),
    defaultTolerationSeconds,
    defaultStorageClass(objects),
    storageObjectInUseProtection,
    persistentVolumeClaimResize(objects),
    runtimeClass(objects),
    defaultIngressClass(objects),
    podTopologyLabels(objects),
    nodeDeclaredFeatureValidator(objects),
    podResizeValidator(objects),
    ...certificateAdmission(options.isAllowed),
    ...(options.more ?? []),
    resourceQuota(options),
  ];
  const all = added.length > 0 ? inOrder([...plugins, ...added.map((make) => make(options))]) : plugins;
  return disabled ? all.filter(({ name }) => !disabled.has(name)) : all;
}
