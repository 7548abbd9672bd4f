import { setCondition } from "../api/meta/conditions.ts";
import { now } from "../api/meta/time.ts";
import { defaultConfiguration, isLeftOver, keptConfiguration } from "../api/flowcontrol/default-configuration.ts";
import type { Resource } from "../api/resource.ts";
import type { FlowSchema, FlowSchemaCondition, PriorityLevelConfiguration } from "../api/types/flowcontrol.v1.ts";
import { FlowSchemas, PriorityLevelConfigurations } from "../api/types/resources.ts";
import { type ControllerFactory, watch } from "../client/controller.ts";
import type { Cache } from "../client/cache.ts";
import type { Client } from "../client/client.ts";
import { ignoreMissing } from "./ownership.ts";

type Configuration = FlowSchema | PriorityLevelConfiguration;

/** Keeps the default configuration of API priority and fairness as it is to be, and tells of flow schemas whose level there is not. */
export const createFlowControl: ControllerFactory = ({ client, caches, clock }) => {
  const schemas = caches.of(FlowSchemas);
  const levels = caches.of(PriorityLevelConfigurations);
  const ofLevel = ({ metadata: { name } }: PriorityLevelConfiguration): string[] => [
    `level ${name}`,
    ...schemas.list().flatMap(({ metadata, spec }) => (spec.priorityLevelConfiguration.name === name ? [`schema ${metadata.name}`] : [])),
  ];
  const tell = async (schema: FlowSchema): Promise<void> => {
    const { name } = schema.spec.priorityLevelConfiguration;
    const conditions = setCondition<FlowSchemaCondition & { type: string; status: string }>(
      schema.status?.conditions?.map((condition) => ({ type: "", status: "", ...condition })),
      dangling(name, levels.byKey(name) !== undefined),
      now(clock),
    );
    const { conditions: before = [] } = schema.status ?? {};
    if (
      conditions.length === before.length &&
      conditions.every((one, i) => one.reason === before[i]?.reason && one.message === before[i]?.message)
    )
      return;
    const target = { name: schema.metadata.name };
    await client
      .patch(FlowSchemas, target, { type: "merge", body: { status: { conditions } } }, { subresource: "status" })
      .catch(ignoreMissing);
  };
  return {
    name: "flow-control",
    watches: [watch(schemas, ({ metadata }) => [`schema ${metadata.name}`]), watch(levels, ofLevel)],
    async reconcile(key) {
      const [kind, name = ""] = key.split(" ");
      if (kind === "level") return void (await keep(client, PriorityLevelConfigurations, levels, name));
      const schema = await keep(client, FlowSchemas, schemas, name);
      if (schema) await tell(schema);
    },
  };
};

/** Makes, changes or removes what the server keeps; gives the object when there was nothing to do. */
async function keep<T extends Configuration>(client: Client, resource: Resource<T>, cache: Cache<T>, name: string): Promise<T | undefined> {
  const wanted = defaultConfiguration(resource).find(({ metadata }) => metadata.name === name);
  const current = cache.byKey(name);
  if (!current) {
    if (wanted) await client.create(resource, structuredClone(wanted));
    return undefined;
  }
  if (!wanted && isLeftOver(current)) {
    await client.delete(resource, { name }).catch(ignoreMissing);
    return undefined;
  }
  const next = wanted && keptConfiguration(current, wanted);
  if (!next) return current;
  await client.update(resource, next);
  return undefined;
}

function dangling(level: string, exists: boolean): { type: string; status: string; reason: string; message: string } {
  const named = `This FlowSchema references the PriorityLevelConfiguration object named "${level}"`;
  return exists
    ? { type: "Dangling", status: "False", reason: "Found", message: `${named} and it exists` }
    : { type: "Dangling", status: "True", reason: "NotFound", message: `${named} but there is no such object` };
}
