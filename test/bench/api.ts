import { readFileSync } from "node:fs";
import type { ClientRequest, IncomingMessage } from "node:http";
import { Agent, request as send } from "node:https";
import { parse } from "yaml";

/** A server that is measured, reached as any client reaches it. */
interface Target {
  /** "https://127.0.0.1:6443" */
  server: string;
  /** PEM. */
  cert: string;
  key: string;
}

/** A finished request. */
export interface Reply {
  status: number;
  milliseconds: number;
  bytes: number;
  /** Undefined when it was not asked for. */
  body: unknown;
}

/** Plain requests over HTTPS, as few costs on this side as possible. */
export class Api {
  private readonly target: Target;
  private readonly agent: Agent;

  constructor(target: Target) {
    this.target = target;
    const { cert, key } = target;
    this.agent = new Agent({ keepAlive: true, maxSockets: 64, rejectUnauthorized: false, cert, key });
  }

  /** Rejects when there is no reply, or one of 400 or more. `read: false`: the body is only counted. */
  request(method: string, path: string, body?: unknown, { read = true, type = "application/json" } = {}): Promise<Reply> {
    const begun = performance.now();
    return new Promise((resolve, reject) => {
      const request = this.open(method, path, type, (reply) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        reply.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (read || (reply.statusCode ?? 0) >= 400) chunks.push(chunk);
        });
        reply.on("error", reject);
        reply.on("end", () => {
          const milliseconds = performance.now() - begun;
          const status = reply.statusCode ?? 0;
          const text = Buffer.concat(chunks).toString();
          if (status >= 400) reject(new Error(`${method} ${path}: ${status} ${text.slice(0, 300)}`));
          else resolve({ status, milliseconds, bytes, body: read && text ? JSON.parse(text) : undefined });
        });
      });
      request.on("error", reject);
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** Calls for each event of a watch; returns how to end it. */
  watch(path: string, event: (type: string, object: Watched) => void, failed: (error: Error) => void = () => {}): () => void {
    let rest = "";
    const request = this.open("GET", path, "", (reply) => {
      reply.setEncoding("utf8");
      reply.on("data", (text: string) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          const { type, object } = JSON.parse(line) as { type: string; object: Watched };
          event(type, object);
        }
      });
      reply.on("error", failed);
      reply.on("end", () => failed(new Error(`the watch of ${path} has ended`)));
    });
    request.on("error", failed);
    request.end();
    return () => {
      failed = () => {};
      request.destroy();
    };
  }

  close(): void {
    this.agent.destroy();
  }

  private open(method: string, path: string, type: string, reply: (message: IncomingMessage) => void): ClientRequest {
    const headers = type ? { "content-type": type } : {};
    return send(`${this.target.server}${path}`, { method, agent: this.agent, headers }, reply);
  }
}

/** What the measurements look at in an object. */
export interface Watched {
  metadata: { name: string; namespace?: string; resourceVersion: string };
  spec?: { nodeName?: string; replicas?: number; renewTime?: string };
  status?: { phase?: string; readyReplicas?: number; conditions?: { type: string; status: string }[] };
}

/** Whether a condition is true. */
export function isTrue(object: Watched, type: string): boolean {
  return object.status?.conditions?.some((c) => c.type === type && c.status === "True") ?? false;
}

/** The administrator of a cluster of hue, by its kubeconfig. */
export function targetOf(kubeconfig: string): Target {
  const { clusters, users } = parse(readFileSync(kubeconfig, "utf8"));
  const pem = (data: string): string => Buffer.from(data, "base64").toString();
  const { user } = users[0];
  return {
    server: clusters[0].cluster.server,
    cert: pem(user["client-certificate-data"]),
    key: pem(user["client-key-data"]),
  };
}

/** The value below which that share of the sorted numbers lies. */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
