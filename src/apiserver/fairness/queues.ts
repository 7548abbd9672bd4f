import { createHash } from "node:crypto";

/** Milliseconds that a request is taken to last before it is known better. */
const expectedDuration = 3;

/** A request that waits in a queue. */
export interface Waiting {
  readonly seats: number;
  /** The progress meter's reading when it came. */
  arrival: number;
  /** Lets it go on; the queue is where its use of seats is to be counted. */
  go(queue: Queue): void;
}

/** One queue, that flows may share. */
export class Queue {
  readonly waiting: Waiting[] = [];
  executing = 0;
  seatsInUse = 0;
  /** The reading of the progress meter at which its next request begins in a world of perfect fairness. */
  nextStart = 0;

  get seatsWaiting(): number {
    return this.waiting.reduce((sum, { seats }) => sum + seats, 0);
  }

  get isActive(): boolean {
    return this.waiting.length > 0 || this.executing > 0;
  }
}

/**
 * The queues of a priority level: shuffle sharding decides where a flow's requests wait, and the queue whose first request would be done
 * first goes on next, if each queue got the same part of the seats. See KEP-1040, "Fair Queuing for Server Requests".
 */
export class Queues {
  readonly queues: Queue[];
  /** Requests in all queues. */
  length = 0;
  private readonly lengthLimit: number;
  /** Seats times milliseconds that each active queue could have had so far. */
  private progress = 0;
  private since = 0;
  private dealt = 0;
  private last = 0;

  constructor({ queues, queueLengthLimit }: { queues: number; queueLengthLimit: number }) {
    this.queues = Array.from({ length: queues }, () => new Queue());
    this.lengthLimit = queueLengthLimit;
  }

  /** Moves the progress meter to `now`, in milliseconds, the level having had that many seats since it was moved last. */
  advance(now: number, limit: number): void {
    const elapsed = now - this.since;
    this.since = now;
    const active = this.queues.filter((queue) => queue.isActive);
    if (active.length === 0) return;
    const wanted = active.reduce((sum, queue) => sum + queue.seatsInUse + queue.seatsWaiting, 0);
    this.progress += (elapsed * Math.min(wanted, limit)) / active.length;
  }

  /** Puts a request into the least loaded queue of its flow's hand; undefined when that is full. */
  enqueue(hand: readonly number[], request: Waiting): Queue | undefined {
    const offset = this.dealt++ % hand.length;
    let best: Queue | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < hand.length; i++) {
      const queue = this.queues[hand[(offset + i) % hand.length] ?? 0];
      const load = queue?.seatsWaiting ?? least;
      if (load < least) [best, least] = [queue, load];
    }
    if (!best || best.waiting.length >= this.lengthLimit) return undefined;
    if (!best.isActive) best.nextStart = this.progress;
    request.arrival = this.progress;
    best.waiting.push(request);
    this.length++;
    catchUp(best);
    return best;
  }

  /** Takes the next request out, when `fits` says that there are seats for it. */
  dequeue(fits: (seats: number) => boolean): { request: Waiting; queue: Queue } | undefined {
    let next: Queue | undefined;
    let earliest = Number.POSITIVE_INFINITY;
    for (let i = 1; i <= this.queues.length; i++) {
      const queue = this.queues[(this.last + i) % this.queues.length];
      const [first] = queue?.waiting ?? [];
      if (!queue || !first || queue.nextStart + first.seats * expectedDuration >= earliest) continue;
      earliest = queue.nextStart + first.seats * expectedDuration;
      next = queue;
    }
    const request = next?.waiting[0];
    if (!next || !request || !fits(request.seats)) return undefined;
    this.last = this.queues.indexOf(next);
    next.waiting.shift();
    this.length--;
    next.executing++;
    next.seatsInUse += request.seats;
    next.nextStart += request.seats * expectedDuration;
    catchUp(next);
    return { request, queue: next };
  }

  /** Takes a request out that waits no longer; false when it has gone on already. */
  remove(request: Waiting, queue: Queue): boolean {
    const at = queue.waiting.indexOf(request);
    if (at < 0) return false;
    queue.waiting.splice(at, 1);
    this.length--;
    catchUp(queue);
    return true;
  }
}

/** Counts a request of this queue as done after that many milliseconds. */
export function finished(queue: Queue, seats: number, duration: number): void {
  queue.executing--;
  queue.seatsInUse -= seats;
  queue.nextStart -= seats * (expectedDuration - duration);
  catchUp(queue);
}

/** A queue gets nothing for the time before its first request came. */
function catchUp(queue: Queue): void {
  const [first] = queue.waiting;
  if (first && queue.nextStart < first.arrival) queue.nextStart = first.arrival;
}

/** The queues that a flow may use: `handSize` different ones of `queues`, the same for the same flow. */
export function dealHand(flow: string, queues: number, handSize: number): number[] {
  let entropy = createHash("sha256").update(flow).digest().readBigUInt64LE();
  const hand: number[] = [];
  for (let i = 0; i < Math.min(handSize, queues); i++) {
    const rest = BigInt(queues - i);
    let card = Number(entropy % rest);
    entropy /= rest;
    for (const taken of hand.toSorted((a, b) => a - b)) if (card >= taken) card++;
    hand.push(card);
  }
  return hand;
}
