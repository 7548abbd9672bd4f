import type { PolicyRule } from "../../api/types/rbac.v1.ts";
import type { RequestAttributes, UserInfo } from "../../api/user.ts";

/** What an authoriser says: deny ends the chain as allow does; no-opinion asks the next one. The reason is shown to the user. */
export interface Decision {
  verdict: "allow" | "deny" | "no-opinion";
  reason: string;
}

/** The rules that a user has, with what kept an authoriser from knowing more. */
export interface GrantedRules {
  rules: PolicyRule[];
  errors: string[];
  /** Whether there may be more that cannot be listed. */
  incomplete?: boolean;
}

/** One authoriser of the chain: node, RBAC, ABAC, webhook. Answers from memory, without waiting, wherever it can. */
export interface Authorizer {
  name: string;
  authorize(attributes: RequestAttributes): Decision | Promise<Decision>;
  /** All that the user may do in the namespace ("": outside namespaces); left out by those that give rules to nobody. */
  rulesFor?(user: UserInfo, namespace: string): GrantedRules;
}
