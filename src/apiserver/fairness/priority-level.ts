import { type StatusError, tooManyRequests } from "../../api/errors.ts";
import type { PriorityLevelConfiguration } from "../../api/types/flowcontrol.v1.ts";
import type { Clock } from "../../lib/clock.ts";
import { Demand } from "./demand.ts";
import { type Arrival, type Seat, tooMany } from "./gate.ts";
import { dealHand, finished, type Queue, Queues, type Waiting } from "./queues.ts";
import type { LevelBounds } from "./shares.ts";

/** What is counted of a flow schema's requests at a level. */
export interface FlowCounts {
  dispatched: number;
  /** By reason. */
  rejected: Map<string, number>;
  waiting: number;
  seatsWaiting: number;
  executing: number;
  seatsInUse: number;
}

/** The requests of one user or namespace under one schema. */
export interface Flow {
  /** Names it: schema and distinguisher. */
  id: string;
  counts: FlowCounts;
  /** Its queues, dealt when it has to wait for the first time. */
  hand?: readonly number[];
}

/** Milliseconds that requests have without a timeout of their own; a quarter of it they may wait, and never more than a minute. */
const requestTimeout = 60_000;

/** A priority level at work: its seats, and the queues before them. */
export class PriorityLevel {
  readonly name: string;
  readonly demand: Demand;
  isExempt = false;
  bounds: LevelBounds = { nominal: 0, min: 0, max: 0 };
  /** Seats until the next adjustment; those of exempt levels do not limit. */
  limit = 0;
  executing = 0;
  seatsInUse = 0;
  seatsWaiting = 0;
  queues: Queues | undefined;
  /** How many were refused. */
  rejected = 0;
  /** How many seats one request takes at most. */
  widest = 100;
  private handSize = 0;
  private shape = "";
  private readonly clock: Clock;
  private readonly drops = { since: 0, count: 0, retryAfter: 1 };

  constructor(name: string, clock: Clock) {
    this.name = name;
    this.clock = clock;
    this.demand = new Demand(clock.now());
  }

  /** Takes over a configuration. Where that changes the queues, which is rare, all that wait go on at once. */
  configure({ spec }: PriorityLevelConfiguration, bounds: LevelBounds): void {
    this.isExempt = spec.type === "Exempt";
    if (this.bounds.nominal === 0) this.limit = bounds.nominal - Math.floor((bounds.nominal - bounds.min) / 2);
    this.bounds = bounds;
    const queuing = spec.limited?.limitResponse?.queuing;
    const { queues = 0, handSize = 0, queueLengthLimit = 0 } = queuing ?? {};
    this.widest = queuing ? Math.max(1, Math.min(Math.ceil(bounds.nominal * 0.15), Math.floor(bounds.nominal / handSize))) : 100;
    this.handSize = handSize;
    const shape = `${queues} ${queueLengthLimit}`;
    if (shape === this.shape) return;
    this.shape = shape;
    const before = this.queues;
    this.queues = queuing ? new Queues({ queues, queueLengthLimit }) : undefined;
    for (const queue of before?.queues ?? []) for (const request of queue.waiting.splice(0)) request.go(queue);
  }

  /** A seat of that width: at once, or when it is this flow's turn. Throws or rejects with TooManyRequests. */
  enter(flow: Flow, width: number, arrival: Pick<Arrival, "query" | "onGone">): Seat | Promise<Seat> {
    const seats = this.isExempt ? width : Math.min(width, this.widest);
    if (!this.queues?.length && this.fits(seats)) return this.seat(flow, seats);
    return this.wait(flow, seats, arrival);
  }

  /** Lets those go on for whom there are seats. */
  dispatch(): void {
    const { queues } = this;
    if (!queues?.length) return;
    queues.advance(this.clock.now(), this.limit);
    while (this.seatsInUse < this.limit || this.executing === 0) {
      const next = queues.dequeue((seats) => this.fits(seats));
      if (!next) return;
      next.request.go(next.queue);
    }
  }

  /** Counts a request that is not served, and gives its error. */
  reject({ counts }: Flow, reason: string): StatusError {
    this.rejected++;
    counts.rejected.set(reason, (counts.rejected.get(reason) ?? 0) + 1);
    const { drops } = this;
    const second = Math.floor(this.clock.now() / 1000);
    if (second - drops.since >= drops.retryAfter) {
      if (drops.count >= 3 * drops.retryAfter) drops.retryAfter = Math.min(32, drops.retryAfter * 2);
      else if (drops.count < drops.retryAfter && drops.retryAfter > 1) drops.retryAfter--;
      drops.count = 0;
      drops.since = second;
    }
    drops.count++;
    return tooManyRequests(tooMany, drops.retryAfter);
  }

  private fits(seats: number): boolean {
    if (this.isExempt) return true;
    return seats > this.limit ? this.executing === 0 && this.limit > 0 : this.seatsInUse + seats <= this.limit;
  }

  private wait(flow: Flow, seats: number, { query, onGone }: Pick<Arrival, "query" | "onGone">): Promise<Seat> {
    const { queues, clock } = this;
    if (!queues) throw this.reject(flow, "concurrency-limit");
    queues.advance(clock.now(), this.limit);
    flow.hand ??= dealHand(flow.id, queues.queues.length, this.handSize);
    const { promise, resolve, reject } = Promise.withResolvers<Seat>();
    const request: Waiting = {
      seats,
      arrival: 0,
      go: (from) => {
        this.left(flow, seats);
        stopTimer();
        resolve(this.seat(flow, seats, from));
      },
    };
    const queue = queues.enqueue(flow.hand, request);
    if (!queue) throw this.reject(flow, "queue-full");
    const giveUp = (reason: string) => (): void => {
      if (!queues.remove(request, queue)) return;
      this.left(flow, seats);
      stopTimer();
      reject(this.reject(flow, reason));
    };
    flow.counts.waiting++;
    flow.counts.seatsWaiting += seats;
    this.seatsWaiting += seats;
    this.noteDemand();
    const stopTimer = clock.after(patienceOf(query), giveUp("time-out"));
    onGone(giveUp("cancelled"));
    this.dispatch();
    return promise;
  }

  private left({ counts }: Flow, seats: number): void {
    counts.waiting--;
    counts.seatsWaiting -= seats;
    this.seatsWaiting -= seats;
    this.noteDemand();
  }

  private seat({ counts }: Flow, seats: number, queue?: Queue): Seat {
    const begun = this.clock.now();
    counts.dispatched++;
    this.take(counts, seats, 1, begun);
    return {
      leave: () => {
        const now = this.clock.now();
        if (queue) {
          this.queues?.advance(now, this.limit);
          finished(queue, seats, now - begun);
        }
        this.take(counts, -seats, -1, now);
        this.dispatch();
      },
    };
  }

  private take(counts: FlowCounts, seats: number, requests: 1 | -1, now: number): void {
    counts.executing += requests;
    counts.seatsInUse += seats;
    this.executing += requests;
    this.seatsInUse += seats;
    this.noteDemand(now);
  }

  private noteDemand(now = this.clock.now()): void {
    this.demand.set(now, this.seatsInUse + this.seatsWaiting);
  }
}

function patienceOf(query: URLSearchParams): number {
  const [, count, unit] = /^(\d+)(ms|s|m|h)?$/.exec(query.get("timeout") ?? "") ?? [];
  const timeout = count ? Number(count) * ({ ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit ?? "s"] ?? 1000) : 0;
  return Math.min((timeout || requestTimeout) / 4, 60_000);
}
