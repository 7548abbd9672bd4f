import type { IncomingMessage } from "node:http";
import { type RequestOptions, request as httpsRequest } from "node:https";
import { text } from "node:stream/consumers";
import { networkError } from "../../backends/network-error.ts";
import type { SecureAgents } from "../../backends/secure-agents.ts";
import { resolveService } from "../../backends/service-endpoint.ts";
import type { Objects } from "../../objects.ts";
import type { WebhookClientConfig } from "../../../api/types/apiextensions.v1.ts";

/** What calling webhooks needs. */
export interface WebhookClientParts {
  objects: Objects;
  agents: SecureAgents;
  /** 0 to 1; chooses among a Service's endpoints. */
  random: () => number;
}

/** The part of a webhook that says how to call it. */
interface Target {
  spec: { clientConfig: WebhookClientConfig; timeoutSeconds?: number };
}

/** Posts the review to the webhook and gives its answer. Throws an Error whose message begins with `Post "https://...": `. */
export async function callWebhook(parts: WebhookClientParts, { spec }: Target, review: object): Promise<string> {
  const { url, service, caBundle } = spec.clientConfig;
  const seconds = spec.timeoutSeconds ?? 10;
  const serverName = service ? `${service.name}.${service.namespace}.svc` : "";
  const address = new URL(service ? `https://${serverName}:${service.port ?? 443}${service.path || "/"}` : (url ?? ""));
  address.searchParams.set("timeout", `${seconds}s`);
  try {
    const port = Number(address.port || 443);
    const endpoint = service
      ? resolveService(parts.objects, { namespace: service.namespace, name: service.name, port }, parts.random)
      : { host: address.hostname.replace(/^\[|\]$/g, ""), port };
    const authorities = caBundle ? Buffer.from(caBundle, "base64").toString() : undefined;
    const answer = await post(
      {
        ...endpoint,
        agent: parts.agents.agent({ authorities, serverName: serverName || endpoint.host }),
        method: "POST",
        path: address.pathname + address.search,
        headers: {
          Host: address.host,
          "User-Agent": "kube-apiserver-admission",
          "Content-Type": "application/json",
          Accept: "application/json, */*",
        },
        signal: AbortSignal.timeout(seconds * 1000),
      },
      JSON.stringify(review),
    );
    if (answer.code >= 200 && answer.code < 300) return answer.body;
    throw new Unsuccessful(statusText(answer));
  } catch (error) {
    if (error instanceof Unsuccessful) throw error;
    // Go shows the port that a Service's address was made with, also the usual one.
    const shown = service ? `https://${serverName}:${service.port ?? 443}${address.pathname}${address.search}` : address.href;
    throw new Error(`Post ${JSON.stringify(shown)}: ${networkError(error)}`);
  }
}

class Unsuccessful extends Error {}

interface Answer {
  code: number;
  body: string;
}

/** Once more when a kept connection turns out to be closed: the server has not seen the request then. */
async function post(options: RequestOptions, body: string, again = true): Promise<Answer> {
  let reused = false;
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = httpsRequest({ ...options, headers: { ...options.headers, "Content-Length": Buffer.byteLength(body) } }, resolve);
      request.on("error", (error) => {
        reused = request.reusedSocket;
        reject(error);
      });
      request.end(body);
    });
    return { code: response.statusCode ?? 0, body: await text(response) };
  } catch (error) {
    const isReset = error instanceof Error && "code" in error && (error.code === "ECONNRESET" || error.code === "EPIPE");
    if (again && reused && isReset) return post(options, body, false);
    throw error;
  }
}

/** An HTTP failure as client-go reads it. */
function statusText({ code, body }: Answer): string {
  if (code === 404) return "the server could not find the requested resource";
  if (code === 403) return `forbidden: ${body.trim()}`;
  if (code >= 500) return `an error on the server (${JSON.stringify(body.trim() || "unknown")}) has prevented the request from succeeding`;
  return `the server responded with the status code ${code} but did not return more information`;
}
