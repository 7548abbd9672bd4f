import { networkError } from "../../backends/network-error.ts";
import { post, statusText } from "../../backends/post.ts";
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
