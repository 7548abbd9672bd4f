import { parseTime } from "../../api/meta/time.ts";
import type { TokenRequest } from "../../api/types/authentication.v1.ts";
import type { Pod } from "../../api/types/core.v1.ts";
import { ServiceAccounts } from "../../api/types/resources.ts";
import type { Client } from "../../client/client.ts";
import type { Clock } from "../../lib/clock.ts";

interface Token {
  token: string;
  /** When a new one is asked for: at 80 % of its life, after 24 hours at the latest. */
  renewAt: number;
  expiresAt: number;
}

/** Tokens of the pods' service accounts, bound to the pod, renewed before they end. */
export class PodTokens {
  private readonly tokens = new Map<string, Token>();
  private readonly client: Client;
  private readonly clock: Clock;

  constructor(client: Client, clock: Clock) {
    this.client = client;
    this.clock = clock;
  }

  /** A token that is good for a while yet. Throws what the API says when there is none. */
  async get(pod: Pod, audience: string | undefined, expirationSeconds: number): Promise<string> {
    const id = `${pod.metadata.uid}/${audience ?? ""}/${expirationSeconds}`;
    const known = this.tokens.get(id);
    const now = this.clock.now();
    if (known && now < known.renewAt) return known.token;
    try {
      const { token, expirationTimestamp } = (await this.request(pod, audience, expirationSeconds)).status;
      const expiresAt = parseTime(expirationTimestamp) ?? now + expirationSeconds * 1000;
      const renewAt = now + Math.min((expiresAt - now) * 0.8, 86_400_000);
      this.tokens.set(id, { token: token ?? "", renewAt, expiresAt });
      return token ?? "";
    } catch (error) {
      if (known && now < known.expiresAt) return known.token; // the old one still holds: the API server may be away
      throw error;
    }
  }

  /** When the next of the pod's tokens wants renewing, in milliseconds since 1970. */
  nextRenewal(podUid: string): number | undefined {
    const times = [...this.tokens].filter(([id]) => id.startsWith(`${podUid}/`)).map(([, t]) => t.renewAt);
    return times.length > 0 ? Math.min(...times) : undefined;
  }

  forget(podUid: string): void {
    for (const id of this.tokens.keys()) if (id.startsWith(`${podUid}/`)) this.tokens.delete(id);
  }

  private request({ metadata, spec }: Pod, audience: string | undefined, expirationSeconds: number): Promise<TokenRequest> {
    const ref = { namespace: metadata.namespace, name: spec.serviceAccountName || "default" };
    return this.client.createSub<TokenRequest>(ServiceAccounts, ref, "token", {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      metadata: {},
      spec: {
        audiences: audience ? [audience] : [],
        expirationSeconds,
        boundObjectRef: { apiVersion: "v1", kind: "Pod", name: metadata.name, uid: metadata.uid },
      },
    });
  }
}
