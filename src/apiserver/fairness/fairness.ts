import { defaultConfiguration } from "../../api/flowcontrol/default-configuration.ts";
import type { FlowSchema, PriorityLevelConfiguration } from "../../api/types/flowcontrol.v1.ts";
import { FlowSchemas, PriorityLevelConfigurations } from "../../api/types/resources.ts";
import type { UserInfo } from "../../api/user.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Objects } from "../objects.ts";
import type { RequestPath } from "../request-path.ts";
import { dumpOf } from "./dump.ts";
import { byPrecedence, distinguisherOf, matches } from "./flow-schema.ts";
import type { Arrival, Gate, Seat } from "./gate.ts";
import { fairnessMetrics } from "./fairness-metrics.ts";
import { type Flow, type FlowCounts, PriorityLevel } from "./priority-level.ts";
import { adjustedLimits, boundsOf } from "./shares.ts";
import type { WorkEstimate } from "./work.ts";

/** Milliseconds between two adjustments of what levels lend each other. */
const adjustmentPeriod = 10_000;
/** Answers to "which flow?" that are remembered of one user. */
const remembered = 1000;

/** What the gate is built of. */
export interface FairnessOptions {
  objects: Objects;
  clock: Clock;
  /** Seats of the whole server. */
  seats: number;
  work: WorkEstimate;
}

/** Where the requests of a flow schema belong. */
interface Schema {
  schema: FlowSchema;
  level: PriorityLevel;
  counts: FlowCounts;
  headers: readonly string[];
}

interface Classified extends Schema {
  flow: Flow;
}

/**
 * API priority and fairness: a request belongs to the first flow schema that matches it, takes seats of the schema's priority level, and
 * waits in one of the level's queues where there are none. See KEP-1040. Limits are adjusted when somebody has to wait, and every ten
 * seconds as long as somebody waits: a server at rest does nothing.
 */
export class Fairness implements Gate {
  private readonly options: FairnessOptions;
  private readonly levels = new Map<string, PriorityLevel>();
  private readonly counts = new Map<string, FlowCounts>();
  private schemas: Schema[] = [];
  private known = new WeakMap<UserInfo, Map<string, Classified>>();
  private isStale = true;
  private adjusted: number;
  private stopTimer: (() => void) | undefined;
  private readonly stops: (() => void)[];

  constructor(options: FairnessOptions) {
    this.options = options;
    this.adjusted = options.clock.now();
    const stale = (): void => {
      this.isStale = true;
    };
    this.stops = [options.objects.onChange(FlowSchemas, stale), options.objects.onChange(PriorityLevelConfigurations, stale)];
  }

  enter(arrival: Arrival): Seat | Promise<Seat> {
    const { flow, level, headers } = this.classify(arrival.path, arrival.user);
    arrival.headers(headers);
    const width = level.isExempt ? 1 : this.options.work(arrival);
    if (level.queues?.length === 0 && level.seatsInUse + width > level.limit) this.adjustIfDue();
    const seat = level.enter(flow, width, arrival);
    if (seat instanceof Promise) this.stopTimer ??= this.options.clock.after(adjustmentPeriod, () => this.adjust());
    return seat;
  }

  metrics(): string[] {
    this.refresh();
    return fairnessMetrics([...this.levels.values()], this.schemas);
  }

  dump(page: string): string | undefined {
    this.refresh();
    return dumpOf(page, [...this.levels.values()]);
  }

  close(): void {
    this.stopTimer?.();
    for (const stop of this.stops) stop();
  }

  private classify(path: RequestPath, user: UserInfo): Classified {
    if (this.isStale) this.refresh();
    let ofUser = this.known.get(user);
    if (!ofUser || ofUser.size > remembered) this.known.set(user, (ofUser = new Map()));
    const { isResource, verb, group, resource, subresource, namespace } = path;
    const id = isResource ? `${verb} ${group}/${resource}/${subresource} ${namespace}` : `${verb} ${path.path}`;
    let classified = ofUser.get(id);
    if (classified) return classified;
    const found = this.schemas.find(({ schema }) => matches(schema, path, user)) ?? this.schemas.at(-1);
    if (!found) throw new Error("no flow schema for anybody");
    const flow = { id: `${found.schema.metadata.name},${distinguisherOf(found.schema, path, user)}`, counts: found.counts };
    ofUser.set(id, (classified = { ...found, flow }));
    return classified;
  }

  /** Reads the configuration again when it has changed. A level that is gone goes on until nobody is left in it. */
  private refresh(): void {
    if (!this.isStale) return;
    this.isStale = false;
    this.known = new WeakMap();
    const { objects, seats, clock } = this.options;
    const configurations = withMandatory(objects.list(PriorityLevelConfigurations), defaultConfiguration(PriorityLevelConfigurations));
    const bounds = boundsOf(configurations, seats);
    for (const [name, level] of this.levels)
      if (!configurations.some(({ metadata }) => metadata.name === name) && level.executing === 0 && !level.queues?.length)
        this.levels.delete(name);
    for (const [i, configuration] of configurations.entries()) {
      const { name } = configuration.metadata;
      const level = this.levels.get(name) ?? new PriorityLevel(name, clock);
      this.levels.set(name, level);
      const own = bounds[i];
      if (own) level.configure(configuration, own);
    }
    const schemas = withMandatory(objects.list(FlowSchemas), defaultConfiguration(FlowSchemas)).toSorted(byPrecedence);
    this.schemas = schemas.flatMap((schema) => this.schemaOf(schema, configurations));
    this.adjust();
  }

  /** Nothing for a schema whose level there is not. */
  private schemaOf(schema: FlowSchema, configurations: readonly PriorityLevelConfiguration[]): Schema[] {
    const configuration = configurations.find(({ metadata }) => metadata.name === schema.spec.priorityLevelConfiguration.name);
    const level = configuration && this.levels.get(configuration.metadata.name);
    if (!level) return [];
    const id = `${level.name} ${schema.metadata.name}`;
    const counts = this.counts.get(id) ?? newCounts();
    this.counts.set(id, counts);
    const [levelUid, schemaUid] = [configuration.metadata.uid ?? "", schema.metadata.uid ?? ""];
    const headers = ["X-Kubernetes-PF-PriorityLevel-UID", levelUid, "X-Kubernetes-PF-FlowSchema-UID", schemaUid];
    return [{ schema, level, counts, headers }];
  }

  private adjustIfDue(): void {
    if (this.options.clock.now() - this.adjusted >= adjustmentPeriod) this.adjust();
  }

  private adjust(): void {
    this.stopTimer?.();
    this.stopTimer = undefined;
    const now = this.options.clock.now();
    this.adjusted = now;
    const levels = [...this.levels.values()];
    for (const { demand } of levels) demand.endPeriod(now);
    const claims = levels.map(({ bounds, isExempt, demand: { highWatermark, smoothed } }) => ({
      ...bounds,
      isExempt,
      highWatermark,
      smoothed,
    }));
    for (const [i, limit] of adjustedLimits(claims).entries()) {
      const level = levels[i];
      if (!level) continue;
      level.limit = limit;
      level.dispatch();
    }
    if (levels.some(({ queues }) => queues?.length)) this.stopTimer = this.options.clock.after(adjustmentPeriod, () => this.adjust());
  }
}

function newCounts(): FlowCounts {
  return { dispatched: 0, rejected: new Map(), waiting: 0, seatsWaiting: 0, executing: 0, seatsInUse: 0 };
}

/** What cannot do without is there even before it has been made, or while somebody has deleted it. */
function withMandatory<T extends FlowSchema | PriorityLevelConfiguration>(objects: readonly T[], defaults: readonly T[]): T[] {
  const missing = defaults.filter(
    ({ metadata: { name } }) => (name === "exempt" || name === "catch-all") && !objects.some(({ metadata }) => metadata.name === name),
  );
  return [...objects, ...missing];
}
