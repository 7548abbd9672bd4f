import type { KubeObject } from "../api/meta/object.ts";
import { compileType } from "../api/schema/compiled.ts";
import type { TokenRequest } from "../api/types/authentication.v1.ts";
import { apiServiceHooks } from "./aggregation/local-api-services.ts";
import type { Authentication } from "./authentication/index.ts";
import type { Special } from "./built-in-handlers.ts";
import { typed, untyped } from "./plain-data.ts";
import type { Registry } from "./registry.ts";
import { type CallSubresource, type ResourceHooks, viewOf } from "./resource-handler.ts";
import { type ReviewParts, reviewResources } from "./reviews.ts";
import { bindingSubresource, bindPod } from "./subresources/binding.ts";
import { csrSubresource } from "./subresources/certificate-approval.ts";
import { evictionSubresource } from "./subresources/eviction.ts";
import { finalizeSubresource, namespaceHooks } from "./subresources/finalize.ts";
import { ephemeralContainers, resize } from "./subresources/pods.ts";
import { scaleSubresource, workloadScale } from "./subresources/scale.ts";
import { statusSubresource } from "./subresources/status.ts";
import type { VerbContext } from "./verbs/context.ts";

/** What special resources need of the server. */
export interface SpecialParts {
  context: VerbContext;
  registry: Registry;
  reviews: ReviewParts;
  authentication: Pick<Authentication, "issueToken">;
  /** Addresses and ports of Services. */
  services: ResourceHooks;
  /** What the server writes into CustomResourceDefinitions. */
  definitions: ResourceHooks;
  /** Reports the health of the parts, for `kubectl get componentstatuses`. */
  componentStatuses(): KubeObject[];
}

/** What each built-in resource does beside what all do, by "group/plural". */
export function specialsOf(parts: SpecialParts): (id: string) => Special {
  const { context, registry } = parts;
  const reviews = reviewResources(parts.reviews);
  const pods = (): ReturnType<Registry["get"]> => registry.get("v1", "pods");
  const own: Record<string, Special> = {
    "/bindings": { virtual: { create: (call, sent) => bindPod(context, pods, call, sent) } },
    "/componentstatuses": { virtual: { list: parts.componentStatuses } },
    "/namespaces": { hooks: namespaceHooks, subresources: (handler) => ({ finalize: finalizeSubresource(handler) }) },
    "/pods": {
      subresources: (handler) => ({
        binding: bindingSubresource(context),
        eviction: evictionSubresource(context, () => registry.get("policy/v1", "poddisruptionbudgets")),
        ephemeralcontainers: ephemeralContainers(handler),
        resize: resize(handler),
      }),
    },
    "/services": { hooks: parts.services },
    "apiregistration.k8s.io/apiservices": { hooks: apiServiceHooks(context.clock) },
    "apiextensions.k8s.io/customresourcedefinitions": { hooks: parts.definitions },
    "/serviceaccounts": { subresources: () => ({ token: tokenSubresource(parts.authentication) }) },
    "certificates.k8s.io/certificatesigningrequests": {
      subresources: (handler) => ({
        approval: csrSubresource(handler, context.clock, "approval"),
        status: csrSubresource(handler, context.clock, "status"),
      }),
    },
  };
  return (id) => {
    const special = own[id] ?? {};
    const [group, plural = ""] = id.split("/");
    const isReview = group === "authentication.k8s.io" || group === "authorization.k8s.io";
    return {
      ...special,
      ...(isReview && reviews[plural] ? { virtual: reviews[plural] } : {}),
      subresources: (handler) => ({
        ...("status" in handler.info.subresources ? { status: statusSubresource(handler) } : {}),
        ...("scale" in handler.info.subresources ? { scale: scaleSubresource(workloadScale) } : {}),
        ...special.subresources?.(handler),
      }),
    };
  };
}

/** serviceaccounts/NAME/token: a signed token (KEP-1205). */
function tokenSubresource({ issueToken }: Pick<Authentication, "issueToken">): CallSubresource {
  return {
    shape: "call",
    schema: compileType("authentication.v1.TokenRequest"),
    type: "authentication.v1.TokenRequest",
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    async create(call, sent) {
      const request = typed<TokenRequest>(sent);
      const answer = await issueToken({ namespace: call.namespace, name: call.name }, request);
      return { view: viewOf(untyped(answer)), code: 201 };
    },
  };
}
