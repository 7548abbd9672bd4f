import { defaultConfiguration, keptConfiguration } from "../../api/flowcontrol/default-configuration.ts";
import { hasCondition } from "../../api/meta/conditions.ts";
import type { Resource, ResourceInfo } from "../../api/resource.ts";
import type { FlowSchema, PriorityLevelConfiguration } from "../../api/types/flowcontrol.v1.ts";
import { FlowSchemas, Namespaces, PriorityClasses, PriorityLevelConfigurations, ServiceCIDRs } from "../../api/types/resources.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Objects } from "../objects.ts";
import { typed, untyped } from "../plain-data.ts";
import { rbacObjects } from "./rbac.ts";
import { ingressClass, type ServerFacts, serverObjects, serviceCIDR, storageClass } from "./server-objects.ts";
import { type BootstrapWriter, bootstrapObjects, ensure, type Wanted } from "./writer.ts";

export type { ServerFacts } from "./server-objects.ts";
export type { BootstrapWriter } from "./writer.ts";

/** What bootstrap works with. */
export interface BootstrapOptions {
  objects: Objects;
  writer: BootstrapWriter;
  facts: ServerFacts;
  clock: Clock;
}

/**
 * Brings about what every cluster holds from the first: namespaces, roles, priorities, flow control, the kubernetes Service and how to
 * reach it. Runs at each start, before others may write; where all is there, it writes nothing. Returns how many objects it wrote.
 */
export async function bootstrap({ objects, writer, facts, clock }: BootstrapOptions): Promise<number> {
  const made = (wanted: readonly Wanted[]): Promise<number> => ensure(objects, writer, wanted);
  const first = await made([...plain(Namespaces), serviceCIDR(facts)]);
  const rest = await made([
    ...rbacObjects(),
    ...plain(PriorityClasses),
    ...flowControl(PriorityLevelConfigurations),
    ...flowControl(FlowSchemas),
    ...serverObjects(facts),
    ...(facts.localPath ? [storageClass()] : []),
    ...(facts.ingress ? [ingressClass()] : []),
  ]);
  return first + rest + (await readyServiceCIDR(objects, writer, clock));
}

function plain(resource: ResourceInfo): Wanted[] {
  return bootstrapObjects(resource).map((object) => ({ resource, object }));
}

/** The mandatory and suggested configuration of priority and fairness. */
function flowControl<T extends FlowSchema | PriorityLevelConfiguration>(resource: Resource<T>): Wanted[] {
  return defaultConfiguration(resource).map((object) => ({
    resource,
    object: untyped(object),
    merge(current) {
      const next = keptConfiguration(typed<T>(current), object);
      return next && untyped(next);
    },
  }));
}

async function readyServiceCIDR(objects: Objects, writer: BootstrapWriter, clock: Clock): Promise<number> {
  const current = objects.get(ServiceCIDRs, undefined, "kubernetes");
  if (!current || hasCondition(current.status?.conditions, "Ready")) return 0;
  const lastTransitionTime = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, "Z");
  const condition = { type: "Ready", status: "True" as const, lastTransitionTime, reason: "", message: "Kubernetes Service CIDR is ready" };
  const ready: typeof current = { ...structuredClone(current), status: { conditions: [condition] } };
  await writer.update(ServiceCIDRs, ready, "status");
  return 1;
}
