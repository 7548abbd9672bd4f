import type { Clock } from "../../lib/clock.ts";
import { StatusError } from "../../api/errors.ts";
import { KeptAnswers } from "../backends/kept-answers.ts";
import type { TokenAuthenticator, TokenResult } from "./bearer-token.ts";

/** Remembers what a kind of token that is slow to check has said: `success` and `failure` in milliseconds, 0 for not at all. */
export function keptTokens(
  kind: TokenAuthenticator,
  clock: Clock,
  { success, failure }: { success: number; failure: number },
): TokenAuthenticator {
  const answers = new KeptAnswers<TokenResult | StatusError | undefined>(clock, 10_000);
  return {
    name: kind.name,
    async authenticateToken(token, audiences) {
      const ask = async (): Promise<TokenResult | StatusError | undefined> => {
        try {
          return await kind.authenticateToken(token, audiences);
        } catch (error) {
          if (error instanceof StatusError) return error;
          throw error;
        }
      };
      const keepFor = (answer: TokenResult | StatusError | undefined): number => (answer && "user" in answer ? success : failure);
      const answer = await answers.get(JSON.stringify([token, audiences]), ask, keepFor);
      if (answer instanceof StatusError) throw answer;
      return answer;
    },
  };
}
