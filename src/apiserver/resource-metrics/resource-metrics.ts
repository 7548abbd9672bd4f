import { text } from "node:stream/consumers";
import { notFound } from "../../api/errors.ts";
import { hasCondition } from "../../api/meta/conditions.ts";
import { compileFieldSelector, parseFieldSelector } from "../../api/meta/fields.ts";
import { parseLabelSelector } from "../../api/meta/labels.ts";
import type { KubeObject, StoredMeta } from "../../api/meta/object.ts";
import { addQuantities, canonicalQuantity, formatQuantity, parseQuantity, zeroQuantity } from "../../api/meta/quantity.ts";
import { formatTime } from "../../api/meta/time.ts";
import type { ResourceInfo } from "../../api/resource.ts";
import { compileType } from "../../api/schema/compiled.ts";
import type { Node } from "../../api/types/core.v1.ts";
import type { NodeMetrics, PodMetrics } from "../../api/types/metrics.v1beta1.ts";
import { Nodes, Pods } from "../../api/types/resources.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Call, ListOptions } from "../call.ts";
import type { Objects } from "../objects.ts";
import { copyOf, typed, untyped } from "../plain-data.ts";
import type { ResourceHandler } from "../resource-handler.ts";
import { policyOf } from "../resource-policy.ts";
import { kubeletAddress, type Kubelets, statusOf } from "../streaming/kubelet.ts";
import { Readings } from "./readings.ts";
import { totalUsage, type Usage } from "./usage.ts";

const groupVersion = "metrics.k8s.io/v1beta1";
/** A kubelet that takes longer is left out; milliseconds. */
const patience = 10_000;

/** What the resource metrics API works with. */
export interface ResourceMetricsParts {
  objects: Objects;
  clock: Clock;
  kubelets: Pick<Kubelets, "request">;
}

/** The resources of metrics.k8s.io (`kubectl top`, HorizontalPodAutoscalers): measured by the kubelets at the moment of a request. */
export function resourceMetrics(parts: ResourceMetricsParts): ResourceHandler[] {
  const { objects, clock } = parts;
  const readings = new Readings(clock, (node) => fetchMetrics(parts, node));
  return [
    handler("nodes", "NodeMetrics", (call, options) => nodeMetrics(objects, readings, call, options)),
    handler("pods", "PodMetrics", (call, options) => podMetrics(objects, readings, call, options)),
  ];
}

async function nodeMetrics(objects: Objects, readings: Readings, call: Call, options: ListOptions): Promise<KubeObject[]> {
  const all = objects.list(Nodes);
  readings.keepOnly(new Set(all.map(({ metadata }) => metadata.name)));
  if (call.name && !objects.get(Nodes, undefined, call.name)) throw notFound({ kind: "nodes", name: call.name });
  const found = await Promise.all(
    selected(all, call, options).map(async ({ metadata }) => {
      const usage = (await readings.of(metadata.name))?.node;
      if (!usage) return [];
      const { apiVersion, kind, timestamp, window } = described("NodeMetrics", usage);
      const metrics: NodeMetrics = {
        apiVersion,
        kind,
        metadata: metadataOf(metadata, timestamp),
        timestamp,
        window,
        usage: quantities(usage),
      };
      return [untyped(metrics)];
    }),
  );
  return found.flat();
}

async function podMetrics(objects: Objects, readings: Readings, call: Call, options: ListOptions): Promise<KubeObject[]> {
  if (call.name && !objects.get(Pods, call.namespace, call.name)) throw notFound({ kind: "pods", name: call.name });
  const pods = selected(objects.list(Pods, call.namespace || undefined), call, options).filter(({ spec }) => spec.nodeName);
  const ready = new Set(
    objects
      .list(Nodes)
      .filter(isMeasurable)
      .map(({ metadata }) => metadata.name),
  );
  const nodes = [...new Set(pods.map(({ spec }) => spec.nodeName ?? ""))].filter((node) => ready.has(node));
  const usages = new Map(await Promise.all(nodes.map(async (node) => [node, await readings.of(node)] as const)));
  return pods.flatMap(({ metadata, spec }) => {
    const containers = usages.get(spec.nodeName ?? "")?.pods.get(`${metadata.namespace}/${metadata.name}`);
    if (!containers) return [];
    const { apiVersion, kind, timestamp, window } = described("PodMetrics", totalUsage(containers));
    const metrics: PodMetrics = {
      apiVersion,
      kind,
      metadata: metadataOf(metadata, timestamp),
      timestamp,
      window,
      containers: containers.map((usage) => ({ name: usage.name, usage: quantities(usage) })),
    };
    return [untyped(metrics)];
  });
}

/** What the call and its selectors ask for; they look at the pods and nodes themselves. */
function selected<T extends KubeObject>(all: readonly T[], { name }: Call, { labelSelector, fieldSelector }: ListOptions): T[] {
  const labels = labelSelector ? parseLabelSelector(labelSelector) : undefined;
  const fields = fieldSelector ? compileFieldSelector(parseFieldSelector(fieldSelector), undefined) : undefined;
  return all.filter(
    (object) => (!name || object.metadata.name === name) && (labels?.matches(object.metadata.labels) ?? true) && (fields?.(object) ?? true),
  );
}

function metadataOf({ name, namespace, labels }: StoredMeta, creationTimestamp: string): StoredMeta {
  const metadata = { name, ...(namespace ? { namespace } : {}), creationTimestamp, ...(labels ? { labels: copyOf(labels) } : {}) };
  return metadata as StoredMeta; // Figures of the moment have no uid and no revision.
}

function described<K extends string>(kind: K, { at, window }: Usage) {
  return { apiVersion: groupVersion, kind, timestamp: formatTime(at), window: goSeconds(window) } as const;
}

/** As Go prints a duration below an hour: "15.03s", "1m5s". */
function goSeconds(milliseconds: number): string {
  const minutes = Math.floor(milliseconds / 60_000);
  return `${minutes > 0 ? `${minutes}m` : ""}${(milliseconds - minutes * 60_000) / 1000}s`;
}

function quantities({ cpuNanoCores, memoryBytes }: Usage): Record<string, string> {
  return { cpu: canonicalQuantity(`${cpuNanoCores}n`), memory: canonicalQuantity(`${Math.floor(memoryBytes / 1024)}Ki`) };
}

/** Nodes whose kubelets can be asked: others would only keep the caller waiting. */
function isMeasurable({ status }: Node): boolean {
  return hasCondition(status?.conditions, "Ready") && !!status?.daemonEndpoints?.kubeletEndpoint?.Port;
}

async function fetchMetrics({ objects, kubelets }: ResourceMetricsParts, name: string): Promise<string> {
  const node = objects.get(Nodes, undefined, name);
  if (!node || !isMeasurable(node)) throw notFound({ kind: "nodes", name });
  const signal = AbortSignal.timeout(patience);
  const answer = await kubelets.request(kubeletAddress(node), { method: "GET", path: "/metrics/resource", signal });
  if (answer.statusCode !== 200) throw await statusOf(answer);
  return text(answer);
}

const usageColumns = ["cpu", "memory"];
const columns = [
  { name: "Name", type: "string", format: "name", priority: 0 },
  ...usageColumns.map((name) => ({ name, type: "string", priority: 0 })),
  { name: "Window", type: "string", format: "duration", priority: 0 },
];

function cells(object: KubeObject): unknown[] {
  const metrics = typed<NodeMetrics | PodMetrics>(object);
  const parts = "containers" in metrics ? metrics.containers.map(({ usage }) => usage) : [metrics.usage];
  return [metrics.metadata.name, ...usageColumns.map((resource) => sum(parts.map((usage) => usage[resource]))), metrics.window];
}

function sum(amounts: readonly (string | undefined)[]): string {
  const total = amounts.reduce((before, amount) => (amount ? addQuantities(before, parseQuantity(amount)) : before), zeroQuantity);
  return formatQuantity(total);
}

type List = (call: Call, options: ListOptions) => Promise<KubeObject[]>;

function handler(plural: string, kind: string, list: List): ResourceHandler {
  const info: ResourceInfo = {
    group: "metrics.k8s.io",
    version: "v1beta1",
    groupVersion,
    plural,
    singular: "",
    kind,
    namespaced: plural === "pods",
    verbs: ["get", "list"],
    shortNames: [],
    categories: [],
    type: `metrics.v1beta1.${kind}`,
    subresources: {},
  };
  const target = { group: info.group, kind: kind.toLowerCase() };
  return {
    info,
    storage: `${info.group}/${plural}`,
    listKind: `${kind}List`,
    rules: { cells },
    schema: compileType(`metrics.v1beta1.${kind}`),
    policy: policyOf(info),
    hooks: {},
    target,
    kindTarget: { group: info.group, kind },
    columns,
    fields: undefined,
    hasStatus: false,
    clearsStatus: false,
    subresources: new Map(),
    view: (stored) => stored,
    toStorage: (object) => object,
    virtual: { list },
  };
}
