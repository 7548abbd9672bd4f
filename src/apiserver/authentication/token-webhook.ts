import { unauthorized } from "../../api/errors.ts";
import type { TokenReviewStatus } from "../../api/types/authentication.v1.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { RemoteService } from "../backends/remote-service.ts";
import type { TokenAuthenticator, TokenResult } from "./bearer-token.ts";
import { keptTokens } from "./kept-tokens.ts";

/** How a token webhook is asked. */
export interface TokenWebhookOptions {
  service: RemoteService;
  /** Of the TokenReviews sent. */
  version: "v1" | "v1beta1";
  /** Milliseconds for which its answers are kept. */
  cacheTTL: number;
  /** The API's own: what a token is for when the webhook does not say. */
  audiences: readonly string[];
  clock: Clock;
  log: Logger;
}

/** Asks a server outside about tokens that nobody else knows, with a TokenReview ("Webhook Token Authentication"). */
export function tokenWebhook({ service, version, cacheTTL, audiences, clock, log }: TokenWebhookOptions): TokenAuthenticator {
  const ask = async (token: string, asked: readonly string[]): Promise<TokenResult | undefined> => {
    const spec = { token, ...(asked.length > 0 ? { audiences: asked } : {}) };
    const review = { kind: "TokenReview", apiVersion: `authentication.k8s.io/${version}`, metadata: {}, spec, status: { user: {} } };
    let answer: unknown;
    try {
      answer = await service.ask(review);
    } catch (error) {
      log.error({ error: String(error) }, "the token webhook could not be asked");
      throw unauthorized(error instanceof Error ? error.message : String(error));
    }
    const { status = {} } = Object(answer) as { status?: TokenReviewStatus }; // What a TokenReview is; each part is looked at below.
    const { authenticated, error, user } = status;
    if (authenticated !== true || !user?.username) {
      if (error) throw unauthorized(String(error));
      return undefined;
    }
    const meant = status.audiences?.length ? status.audiences : audiences;
    const common = asked.filter((one) => meant.includes(one));
    if (common.length === 0) return undefined;
    const { username, uid, groups = [], extra } = user;
    return { user: { name: username, groups, ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) }, audiences: common };
  };
  return keptTokens({ name: "webhook", authenticateToken: ask }, clock, { success: cacheTTL, failure: cacheTTL });
}
