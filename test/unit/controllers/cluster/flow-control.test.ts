import { expect, test } from "vitest";
import { defaultConfiguration } from "../../../../src/api/flowcontrol/default-configuration.ts";
import { FlowSchemas, PriorityLevelConfigurations } from "../../../../src/api/types/resources.ts";
import { Cluster } from "./cluster.ts";

const autoupdate = "apf.kubernetes.io/autoupdate-spec";

async function withDefaults(): Promise<Cluster> {
  const cluster = new Cluster(["flow-control"]);
  for (const level of defaultConfiguration(PriorityLevelConfigurations))
    await cluster.create(PriorityLevelConfigurations, { ...structuredClone(level), metadata: { ...level.metadata, namespace: undefined } });
  for (const schema of defaultConfiguration(FlowSchemas))
    await cluster.create(FlowSchemas, { ...structuredClone(schema), metadata: { ...schema.metadata, namespace: undefined } });
  await cluster.settle();
  return cluster;
}

const spec = (precedence: number) => ({ spec: { matchingPrecedence: precedence } });
const change = (cluster: Cluster, name: string, body: object) => cluster.client.patch(FlowSchemas, { name }, { type: "merge", body });

test("a flow schema tells whether its level is there", async () => {
  const cluster = await withDefaults();
  await cluster.create(FlowSchemas, {
    metadata: { name: "mine", namespace: undefined },
    spec: { matchingPrecedence: 500, priorityLevelConfiguration: { name: "later" } },
  });
  const dangling = async (name: string) =>
    (await cluster.client.get(FlowSchemas, { name })).status?.conditions?.find(({ type }) => type === "Dangling");
  expect(await dangling("catch-all")).toMatchObject({
    status: "False",
    reason: "Found",
    message: 'This FlowSchema references the PriorityLevelConfiguration object named "catch-all" and it exists',
  });
  expect(await dangling("mine")).toMatchObject({ status: "True", reason: "NotFound" });
  await cluster.create(PriorityLevelConfigurations, {
    metadata: { name: "later", namespace: undefined },
    spec: { type: "Limited", limited: { limitResponse: { type: "Reject" } } },
  });
  await cluster.settle();
  expect(await dangling("mine")).toMatchObject({ status: "False" });
});

test("the default configuration comes back, unless an administrator takes care of it", async () => {
  const cluster = await withDefaults();
  const precedence = async (name: string) => (await cluster.client.get(FlowSchemas, { name })).spec.matchingPrecedence;
  await change(cluster, "global-default", spec(9000));
  await change(cluster, "service-accounts", { ...spec(8000), metadata: { annotations: { [autoupdate]: "false" } } });
  await change(cluster, "catch-all", { ...spec(8000), metadata: { annotations: { [autoupdate]: "false" } } });
  await cluster.client.delete(FlowSchemas, { name: "probes" });
  await cluster.settle();
  expect(await precedence("global-default")).toBe(9900);
  expect(await precedence("service-accounts")).toBe(8000);
  expect(await precedence("catch-all")).toBe(10_000);
  expect((await cluster.client.get(FlowSchemas, { name: "catch-all" })).metadata.annotations).toEqual({ [autoupdate]: "true" });
  expect(await precedence("probes")).toBe(2);
});

test("what a former version kept goes", async () => {
  const cluster = await withDefaults();
  for (const kept of ["true", "false"])
    await cluster.create(FlowSchemas, {
      metadata: { name: `old-${kept}`, namespace: undefined, annotations: { [autoupdate]: kept } },
      spec: { priorityLevelConfiguration: { name: "exempt" } },
    });
  await cluster.settle();
  const names = (await cluster.client.list(FlowSchemas)).items.map(({ metadata }) => metadata.name);
  expect(names).toContain("old-false");
  expect(names).not.toContain("old-true");
});

test("the exempt level's lending may be changed", async () => {
  const cluster = await withDefaults();
  const body = { spec: { exempt: { nominalConcurrencyShares: 10 } } };
  await cluster.client.patch(PriorityLevelConfigurations, { name: "exempt" }, { type: "merge", body });
  await cluster.settle();
  expect((await cluster.client.get(PriorityLevelConfigurations, { name: "exempt" })).spec.exempt?.nominalConcurrencyShares).toBe(10);
});
