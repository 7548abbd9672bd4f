import { badRequest } from "../api/errors.ts";
import type { KubeObject } from "../api/meta/object.ts";
import type { TokenReview } from "../api/types/authentication.v1.ts";
import type { LocalSubjectAccessReview, SelfSubjectRulesReview } from "../api/types/authorization.v1.ts";
import { type Authentication, reviewUser } from "./authentication/index.ts";
import type { Authorization } from "./authorization/index.ts";
import { typed, untyped } from "./plain-data.ts";
import { type Reply, type VirtualResource, viewOf } from "./resource-handler.ts";

/** The parts of authentication and authorisation that reviews ask. */
export interface ReviewParts {
  authentication: Pick<Authentication, "reviewToken">;
  authorization: Pick<Authorization, "reviewAccess" | "reviewOwnAccess" | "reviewOwnRules">;
}

/** The review resources by their plural names: each answers a question that is posted to it, and stores nothing. */
export function reviewResources({ authentication, authorization }: ReviewParts): Record<string, VirtualResource> {
  const specOf = (sent: KubeObject): LocalSubjectAccessReview["spec"] => typed<LocalSubjectAccessReview>(sent).spec;
  return {
    tokenreviews: {
      async create(_call, sent) {
        const { spec } = typed<TokenReview>(sent);
        if (!spec?.token) throw badRequest("token is required for TokenReview in authentication");
        return answer(sent, await authentication.reviewToken(spec.token, spec.audiences));
      },
    },
    selfsubjectreviews: { create: async (call, sent) => answer(sent, { userInfo: reviewUser(call.user) }) },
    subjectaccessreviews: { create: async (_call, sent) => answer(sent, await authorization.reviewAccess(specOf(sent))) },
    localsubjectaccessreviews: {
      create: async (call, sent) => answer(sent, await authorization.reviewAccess(specOf(sent), call.namespace)),
    },
    selfsubjectaccessreviews: {
      create: async (call, sent) => answer(sent, await authorization.reviewOwnAccess(call.user, specOf(sent))),
    },
    selfsubjectrulesreviews: {
      async create(call, sent) {
        const namespace = typed<SelfSubjectRulesReview>(sent).spec?.namespace;
        if (!namespace) throw badRequest("no namespace on request");
        return answer(sent, authorization.reviewOwnRules(call.user, namespace));
      },
    },
  };
}

function answer(sent: KubeObject, status: object): Reply {
  const answered = { ...sent, status };
  return { view: viewOf(untyped(answered)), code: 201 };
}
