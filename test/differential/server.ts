import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import discovery from "../../src/api/schema/discovery.json" with { type: "json" };

/** One reply, parsed; text that is no JSON stays text. */
export interface Answer {
  code: number;
  warnings: string[];
  body: unknown;
}

/** What a request asks for. */
export interface Ask {
  method: string;
  path: string;
  body?: unknown;
  contentType?: string;
}

/** One of the two servers that are compared. */
export class Server {
  private readonly url: URL;
  private readonly agent: Agent;
  private readonly headers: Record<string, string>;

  /** `token`, or the files of a client certificate and its key. */
  constructor(url: string, credentials: { token?: string | undefined; cert?: string | undefined; key?: string | undefined }) {
    this.url = new URL(url);
    const { token, cert, key } = credentials;
    const identity = cert && key ? { cert: readFileSync(cert), key: readFileSync(key) } : {};
    this.agent = new Agent({ keepAlive: true, maxSockets: 8, rejectUnauthorized: false, ...identity });
    this.headers = { "User-Agent": "differential/1.0", Accept: "application/json", ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  }

  /** Asks once more on another connection where the server had closed the one that was used; code 0 where it closes that, too. */
  async ask(request: Ask): Promise<Answer> {
    const none = (error: Error): Answer => ({ code: 0, warnings: [], body: error.message });
    return await this.askOnce(request).catch(() => this.askOnce(request).catch(none));
  }

  private askOnce({ method, path, body, contentType = "application/json" }: Ask): Promise<Answer> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers =
      text === undefined ? this.headers : { ...this.headers, "Content-Type": contentType, "Content-Length": Buffer.byteLength(text) };
    return new Promise((resolve, reject) => {
      const sent = request(new URL(path, this.url), { method, agent: this.agent, headers }, (reply) => {
        const chunks: Buffer[] = [];
        reply.on("data", (chunk) => chunks.push(chunk));
        reply.on("end", () => {
          const warning = reply.headers["warning"];
          const warnings = typeof warning === "string" ? warning.split(/, (?=299 )/) : [];
          resolve({ code: reply.statusCode ?? 0, warnings, body: parsed(Buffer.concat(chunks).toString()) });
        });
      });
      sent.on("error", reject);
      sent.end(text);
    });
  }

  close(): void {
    this.agent.destroy();
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

interface Named {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
}

/** The path of an object's collection. */
export function collectionOf({ apiVersion, kind, metadata }: Named): string {
  const resources = discovery.resources[apiVersion] ?? {};
  const found = Object.entries(resources).find(([name, info]) => info.kind === kind && !name.includes("/"));
  if (!found) throw new Error(`${apiVersion} ${kind} is no resource`);
  const [plural, { namespaced }] = found;
  const group = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  return `${group}${namespaced ? `/namespaces/${metadata.namespace ?? "default"}` : ""}/${plural}`;
}

/** The path of an object. */
export function pathOf(object: Named): string {
  return `${collectionOf(object)}/${object.metadata.name}`;
}
