import { StatusError } from "../../api/errors.ts";
import type { TokenReviewStatus } from "../../api/types/authentication.v1.ts";
import type { UserInfo } from "../../api/user.ts";
import { authenticateToken, type TokenAuthenticator } from "./bearer-token.ts";

/** Says whom a token speaks for: the status of a TokenReview. Never throws for a wrong token: that is an answer. */
export async function reviewToken(
  kinds: readonly TokenAuthenticator[],
  token: string,
  asked: readonly string[],
  apiAudiences: readonly string[],
): Promise<TokenReviewStatus> {
  try {
    const { user, audiences } = await authenticateToken(kinds, token, asked.length > 0 ? asked : apiAudiences);
    if (audiences.length === 0) return { authenticated: false, error: "token is not valid for the requested audiences", user: {} };
    return { authenticated: true, user: reviewUser(withAuthenticated(user)), audiences: [...audiences] };
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    const detail = error.message === "invalid bearer token" ? error.message : `[invalid bearer token, ${error.message}]`;
    return { authenticated: false, error: detail, user: {} };
  }
}

/** A user as TokenReview and SelfSubjectReview show it. */
export function reviewUser(user: UserInfo): NonNullable<TokenReviewStatus["user"]> {
  const extra = Object.fromEntries(Object.entries(user.extra ?? {}).map(([key, values]) => [key, [...values]]));
  return {
    username: user.name,
    ...(user.uid ? { uid: user.uid } : {}),
    groups: [...user.groups],
    ...(Object.keys(extra).length > 0 ? { extra } : {}),
  };
}

const authenticated = new WeakMap<UserInfo, UserInfo>();

/** The user as a member of system:authenticated, which everyone but the anonymous one is: for the same user always the same. */
export function withAuthenticated(user: UserInfo): UserInfo {
  if (user.groups.includes("system:authenticated") || user.groups.includes("system:unauthenticated")) return user;
  let known = authenticated.get(user);
  if (!known) authenticated.set(user, (known = { ...user, groups: [...user.groups, "system:authenticated"] }));
  return known;
}
