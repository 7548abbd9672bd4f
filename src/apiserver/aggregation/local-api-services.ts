import { isReason } from "../../api/errors.ts";
import { setCondition } from "../../api/meta/conditions.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import { formatTime } from "../../api/meta/time.ts";
import type { APIService } from "../../api/types/apiregistration.v1.ts";
import { APIServices, CustomResourceDefinitions } from "../../api/types/resources.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { Call } from "../call.ts";
import type { Objects } from "../objects.ts";
import { typed, untyped } from "../plain-data.ts";
import type { Registry } from "../registry.ts";
import type { ResourceHooks } from "../resource-handler.ts";
import { systemUser } from "../subresources/eviction.ts";
import type { VerbContext } from "../verbs/context.ts";
import { createObject } from "../verbs/create.ts";
import { deleteObject } from "../verbs/delete.ts";

/** The aggregation layer's own group is what holds APIServices, and has none. */
const own = "apiregistration.k8s.io/v1";
const automanaged = "kube-aggregator.kubernetes.io/automanaged";

/** The built-in groups in their order (groupPriorityMinimum), and versions that do not have the usual 15. */
const groupPriorities: Record<string, number> = {
  "": 18_000,
  apps: 17_800,
  "events.k8s.io": 17_750,
  "authentication.k8s.io": 17_700,
  "authorization.k8s.io": 17_600,
  autoscaling: 17_500,
  batch: 17_400,
  "certificates.k8s.io": 17_300,
  "networking.k8s.io": 17_200,
  policy: 17_100,
  "rbac.authorization.k8s.io": 17_000,
  "storage.k8s.io": 16_800,
  "apiextensions.k8s.io": 16_700,
  "admissionregistration.k8s.io": 16_700,
  "scheduling.k8s.io": 16_600,
  "coordination.k8s.io": 16_500,
  "node.k8s.io": 16_300,
  "discovery.k8s.io": 16_200,
  "resource.k8s.io": 16_200,
  "flowcontrol.apiserver.k8s.io": 16_100,
};
const versionPriorities: Record<string, number> = {
  v1: 1,
  "autoscaling/v2": 30,
  "flowcontrol.apiserver.k8s.io/v1": 21,
  "resource.k8s.io/v1": 21,
};

/** An APIService that stands for this server is available from its first moment. */
export function apiServiceHooks(clock: Clock): ResourceHooks {
  return {
    allocate(object) {
      const service = typed<APIService>(object);
      if (service.spec.service) return undefined;
      const condition = { type: "Available", status: "True", reason: "Local", message: "Local APIServices are always available" };
      const conditions = setCondition(service.status?.conditions, condition, formatTime(clock.now()));
      service.status = { ...service.status, conditions: [...conditions] };
      return undefined;
    },
  };
}

/** What keeping the local APIServices needs. */
export interface LocalApiServiceParts {
  context: VerbContext;
  registry: Registry;
  objects: Objects;
  log: Logger;
}

/** Keeps an APIService for each group version that this server serves: built-in ones and custom resources. Returns how to end it. */
export function registerLocalApiServices({ context, registry, objects, log }: LocalApiServiceParts): () => void {
  let scheduled = false;
  let stopped = false;
  const call = (name: string): Call => {
    const handler = registry.get(own, "apiservices");
    return { handler, namespace: "", name, subresource: "", user: systemUser, dryRun: false, warn: () => {} };
  };
  const write = async (name: string, work: (call: Call) => Promise<unknown>): Promise<void> => {
    try {
      await work(call(name));
    } catch (error) {
      // Somebody else was faster.
      if (!stopped && !isReason(error, "AlreadyExists") && !isReason(error, "NotFound"))
        log.warn({ apiService: name, error: String(error) }, "an APIService could not be registered");
    }
  };
  const sync = (): void => {
    scheduled = false;
    if (stopped) return;
    const groupVersions = registry.groupVersions().filter((groupVersion) => groupVersion !== own);
    const served = new Map(groupVersions.map((groupVersion) => [nameOf(groupVersion), groupVersion]));
    for (const [name, groupVersion] of served)
      if (!objects.get(APIServices, undefined, name)) void write(name, (one) => createObject(context, one, localService(groupVersion)));
    for (const { metadata, spec } of objects.list(APIServices))
      if (metadata.labels?.[automanaged] && !spec.service && !served.has(metadata.name))
        void write(metadata.name, (one) => deleteObject(context, one, {}));
  };
  // After what the same change does to the registry.
  const schedule = (): void => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(sync);
  };
  schedule();
  const stops = [
    objects.onChange(CustomResourceDefinitions, schedule),
    objects.onChange(APIServices, (now) => {
      if (!now) schedule();
    }),
  ];
  return () => {
    stopped = true;
    for (const stop of stops) stop();
  };
}

/** "v1." for the core group, "v1.apps". */
function nameOf(groupVersion: string): string {
  const slash = groupVersion.indexOf("/");
  return slash < 0 ? `${groupVersion}.` : `${groupVersion.slice(slash + 1)}.${groupVersion.slice(0, slash)}`;
}

function localService(groupVersion: string): KubeObject {
  const slash = groupVersion.indexOf("/");
  const group = slash < 0 ? "" : groupVersion.slice(0, slash);
  const builtIn = groupPriorities[group];
  const spec = {
    ...(group ? { group } : {}),
    version: groupVersion.slice(slash + 1),
    groupPriorityMinimum: builtIn ?? 1000,
    versionPriority: builtIn ? (versionPriorities[groupVersion] ?? 15) : 100,
  };
  const metadata = { name: nameOf(groupVersion), labels: { [automanaged]: builtIn ? "onstart" : "true" } };
  return untyped({ apiVersion: "apiregistration.k8s.io/v1", kind: "APIService", metadata, spec });
}
