import type { Authorizer } from "./authorizer.ts";

/** --authorization-mode AlwaysAllow. */
export const alwaysAllow: Authorizer = {
  name: "AlwaysAllow",
  authorize: () => ({ verdict: "allow", reason: "" }),
  rulesFor: () => ({
    rules: [
      { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
      { verbs: ["*"], nonResourceURLs: ["*"] },
    ],
    errors: [],
  }),
};

/** --authorization-mode AlwaysDeny: only system:masters may do anything. */
export const alwaysDeny: Authorizer = {
  name: "AlwaysDeny",
  authorize: () => ({ verdict: "no-opinion", reason: "Everything is forbidden." }),
};
