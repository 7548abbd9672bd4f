import { randomUUID } from "node:crypto";
import type { KubeObject } from "../api/meta/object.ts";
import { rulesOf } from "../api/kinds.ts";
import { generateName } from "../api/meta/names.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import type { Store } from "../store/store.ts";
import type { AdmissionPlugin } from "./admission/admission.ts";
import { AdmissionChain } from "./admission-chain.ts";
import { showIPAddresses } from "./allocation/ip-addresses.ts";
import { createAggregation } from "./aggregation/aggregation.ts";
import { defaultNodePorts, type PortRange, ServiceAllocation } from "./allocation/services.ts";
import type { Authentication } from "./authentication/index.ts";
import type { Authorization } from "./authorization/index.ts";
import { builtInHandlers } from "./built-in-handlers.ts";
import { CustomResources } from "./customresources/custom-resources.ts";
import { definitionHooks } from "./customresources/definition-hooks.ts";
import { Fairness } from "./fairness/fairness.ts";
import { defaultLimits, type Gate, type RequestLimits } from "./fairness/gate.ts";
import { inFlightGate } from "./fairness/in-flight.ts";
import { workEstimate } from "./fairness/work.ts";
import { Health, type HealthCheck } from "./health.ts";
import { type ConnectHandler, createListener, type Listener, type ListenerParts } from "./http/listener.ts";
import { createRoutes } from "./http/routes.ts";
import { WatchPace } from "./http/watch-pace.ts";
import { Metrics } from "./metrics.ts";
import type { Objects } from "./objects.ts";
import { Registry } from "./registry.ts";
import type { ResourceHandler } from "./resource-handler.ts";
import { specialsOf } from "./specials.ts";
import { storeObjects } from "./store-objects.ts";
import type { VerbContext } from "./verbs/context.ts";
import { Verbs } from "./verbs/verbs.ts";
import { versionInfo } from "./version.ts";
import { Bookmarks } from "./watch/bookmarks.ts";

/** What an API server is made of. */
export interface ApiServerOptions {
  store: Store;
  clock: Clock;
  log: Logger;
  authentication: Authentication;
  authorization: Authorization;
  /** In order; quota belongs to the end. */
  admission: readonly AdmissionPlugin[];
  /** What authentication and the others read the cluster by; made from the store when left out. */
  objects?: Objects;
  /** Default 10.43.0.0/16. */
  serviceCIDR?: string;
  /** Default: defaultNodePorts. */
  nodePorts?: PortRange;
  /** The front-proxy client certificate, shown to extension servers; PEM. Asked at each connection. */
  proxyClient?: () => { certificate: string; key: string };
  /** Makes the listener; default: createListener. What looks at whole requests, as audit does, stands here. */
  makeListener?: ((parts: ListenerParts & { authorization: Authorization }) => Listener) | undefined;
  /** Served beside the resources' own verbs, by "pods/exec". */
  connect?: Readonly<Record<string, ConnectHandler>>;
  /** Served beside the built-in resources of the facts: resource metrics. */
  resources?: readonly ResourceHandler[];
  /** Beside ping, log and etcd. */
  healthChecks?: readonly HealthCheck[];
  /** Families of other parts for /metrics. */
  metrics?: ((registry: Registry) => string[]) | undefined;
  /** What discovery tells clients of the server's address: "10.0.0.1:6443". */
  serverAddress?: () => string;
  /** What is running, for `kubectl version`; default: versionInfo(). */
  version?: object;
  /** How many requests are served at once. Default: defaultLimits. */
  limits?: RequestLimits;
  /** 0 to 1; for addresses, ports and names. Default Math.random. */
  random?: () => number;
}

/** The API server: its listeners for an HTTPS server, and its verbs for callers in the same process. */
export interface ApiServer {
  readonly listener: Listener;
  readonly verbs: Verbs;
  readonly registry: Registry;
  readonly objects: Objects;
  /** Ends what the server follows; the store stays open. */
  close(): void;
}

/** Builds the API server over a store that is open already. */
export function createApiServer(options: ApiServerOptions): ApiServer {
  const { store, clock, log, authentication, authorization, random = Math.random } = options;
  const objects = options.objects ?? storeObjects(store);
  const context: VerbContext = {
    store,
    clock,
    admission: new AdmissionChain(options.admission),
    newUid: () => randomUUID(),
    nameSuffix: () => generateName(""),
  };
  const registry = new Registry();
  const services = new ServiceAllocation(
    objects,
    { serviceCIDR: options.serviceCIDR ?? "10.43.0.0/16", nodePorts: options.nodePorts ?? defaultNodePorts },
    random,
  );
  const health = new Health([{ name: "etcd", check: () => store.failure?.message }, ...(options.healthChecks ?? [])]);
  const special = specialsOf({
    context,
    registry,
    reviews: { authentication, authorization },
    authentication,
    services,
    definitions: definitionHooks(objects, clock),
    componentStatuses: () => componentStatuses(health),
  });
  for (const handler of [...builtInHandlers(rulesOf, special), ...(options.resources ?? [])]) registry.add(handler);
  const customResources = new CustomResources({ context, registry, objects, log, random });
  const stopAddresses = showIPAddresses({ context, registry, objects, log });
  const aggregation = createAggregation({ context, registry, objects, log, random, proxyClient: options.proxyClient ?? (() => undefined) });
  const verbs = new Verbs(context);
  const { readOnly, mutating, fairness } = options.limits ?? defaultLimits;
  const gate: Gate = fairness
    ? new Fairness({ objects, clock, seats: readOnly + mutating, work: workEstimate(store, registry) })
    : inFlightGate({ readOnly, mutating });
  const metrics = new Metrics(clock, store, registry, () => [...gate.metrics(), ...(options.metrics?.(registry) ?? [])]);
  const listener = (options.makeListener ?? createListener)({
    registry,
    verbs,
    clock,
    // Pacing is about the network, whatever time the cluster has.
    streams: { clock, bookmarks: new Bookmarks(clock), pace: new WatchPace(systemClock), random, revision: () => store.revision },
    authentication,
    authorization,
    log,
    metrics,
    connect: options.connect ?? {},
    extension: (path) => aggregation.handler(path),
    gate,
    other: createRoutes({
      registry,
      health,
      metrics,
      dump: (page) => gate.dump(page),
      version: options.version ?? versionInfo(),
      customResources: () => customResources.openapi(),
      authentication,
      serverAddress: options.serverAddress ?? (() => ""),
    }),
  });
  return {
    listener,
    verbs,
    registry,
    objects,
    close() {
      gate.close();
      services.close();
      aggregation.close();
      stopAddresses();
      customResources.close();
    },
  };
}

/** The parts that upstream's componentstatuses names: all in this process, so what is ready is healthy. */
function componentStatuses(health: Health): KubeObject[] {
  const healthy = health.all("readyz", { verbose: false, exclude: [] }).code === 200;
  return ["scheduler", "controller-manager", "etcd-0"].map((name) => {
    const condition = { type: "Healthy", status: healthy ? "True" : "False", message: healthy ? "ok" : "not ready" };
    const status = { apiVersion: "v1", kind: "ComponentStatus", metadata: { name }, conditions: [condition] };
    return status;
  });
}
