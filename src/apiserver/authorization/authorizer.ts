import type { RequestAttributes } from "../../api/user.ts";

/** What an authoriser says: deny ends the chain as allow does; no-opinion asks the next one. The reason is shown to the user. */
export interface Decision {
  verdict: "allow" | "deny" | "no-opinion";
  reason: string;
}

/** One authoriser of the chain: node, RBAC, ... Decides from memory, without waiting. */
export interface Authorizer {
  name: string;
  authorize(attributes: RequestAttributes): Decision;
}
