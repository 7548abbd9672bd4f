import { setTimeout as wait } from "node:timers/promises";

/** A CPU profile as V8 gives it. */
export interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number }; children?: number[] }[];
  /** The node of each sample, and the microseconds since the one before. */
  samples: number[];
  timeDeltas: number[];
}

interface Message {
  id?: number;
  method?: string;
  params?: { chunk?: string };
  result?: unknown;
  error?: { message: string };
}

/** The debugger's door of a process that was started with --inspect=127.0.0.1:PORT. Sees the main thread. */
export class Inspector {
  private readonly socket: WebSocket;
  private readonly waiting = new Map<number, PromiseWithResolvers<unknown>>();
  private chunks: string[] = [];
  private last = 0;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.addEventListener("message", ({ data }) => this.receive(JSON.parse(String(data)) as Message));
  }

  /** Resolves when the process lets it in. */
  static async connect(port: number): Promise<Inspector> {
    const targets = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()) as { webSocketDebuggerUrl: string }[];
    const socket = new WebSocket(targets[0]?.webSocketDebuggerUrl ?? "");
    while (socket.readyState === WebSocket.CONNECTING) await wait(5);
    return new Inspector(socket);
  }

  /** The main thread's CPU profile, sampled every 200 microseconds, while the work is done. */
  async profile(work: () => Promise<void>): Promise<CpuProfile> {
    await this.call("Profiler.enable");
    await this.call("Profiler.setSamplingInterval", { interval: 200 });
    await this.call("Profiler.start");
    await work();
    const { profile } = (await this.call("Profiler.stop")) as { profile: CpuProfile };
    return profile;
  }

  /** A heap snapshot as JSON, taken after a collection of what is garbage. */
  async heapSnapshot(): Promise<string> {
    await this.call("HeapProfiler.enable");
    await this.call("HeapProfiler.collectGarbage");
    this.chunks = [];
    await this.call("HeapProfiler.takeHeapSnapshot", { reportProgress: false });
    return this.chunks.join("");
  }

  close(): void {
    this.socket.close();
  }

  private call(method: string, params: Record<string, unknown> = {}): Promise<unknown> {
    const id = ++this.last;
    const reply = Promise.withResolvers<unknown>();
    this.waiting.set(id, reply);
    this.socket.send(JSON.stringify({ id, method, params }));
    return reply.promise;
  }

  private receive({ id, method, params, result, error }: Message): void {
    if (method === "HeapProfiler.addHeapSnapshotChunk") this.chunks.push(params?.chunk ?? "");
    if (id === undefined) return;
    if (error) this.waiting.get(id)?.reject(new Error(error.message));
    else this.waiting.get(id)?.resolve(result);
    this.waiting.delete(id);
  }
}
