import { accessConditions } from "../../api/cel/access.ts";
import { parseLabelSelector } from "../../api/meta/labels.ts";
import type { FieldSelectorAttributes, LabelSelectorAttributes, SubjectAccessReviewSpec } from "../../api/types/authorization.v1.ts";
import type { RequestAttributes } from "../../api/user.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import { conditionsHold } from "../admission/match-conditions.ts";
import { KeptAnswers } from "../backends/kept-answers.ts";
import type { RemoteService } from "../backends/remote-service.ts";
import type { Authorizer, Decision } from "./authorizer.ts";

/** An authorisation webhook. Times in milliseconds. */
export interface WebhookAuthorizerOptions {
  name: string;
  service: RemoteService;
  clock: Clock;
  log: Logger;
  /** Of the SubjectAccessReviews sent. */
  version: "v1" | "v1beta1";
  /** How long an answer is kept; 0: it is not. */
  authorizedTTL: number;
  unauthorizedTTL: number;
  /** What counts when it cannot be asked. */
  onError: "deny" | "no-opinion";
  /** In CEL, about the variable `request`: it is asked only where all of them hold. */
  matchConditions: readonly string[];
}

/** What the webhook says. */
interface Status {
  allowed: boolean;
  denied: boolean;
  reason: string;
}

/** Attributes longer than this come from outside and are not worth keeping. */
const longestKept = 10_000;

/** Asks a server outside, with a SubjectAccessReview ("Webhook Mode"). Throws when a condition is no CEL. */
export function webhookAuthorizer(options: WebhookAuthorizerOptions): Authorizer {
  const { name, service, clock, log, version, onError } = options;
  const conditions = accessConditions(options.matchConditions);
  const answers = new KeptAnswers<Status>(clock, 8192);
  const ask = async (spec: SubjectAccessReviewSpec): Promise<Status> => {
    const { groups, ...rest } = spec;
    const sent = version === "v1" ? spec : { ...rest, ...(groups ? { group: groups } : {}) };
    const review = { kind: "SubjectAccessReview", apiVersion: `authorization.k8s.io/${version}`, metadata: {}, spec: sent, status: {} };
    return statusOf(await service.ask(review));
  };
  const failed = (error: unknown): Decision => {
    log.error({ authorizer: name, error: String(error) }, "the authorization webhook could not be asked");
    return { verdict: onError, reason: "" };
  };
  return {
    name: "Webhook",
    authorize(attributes) {
      const spec = specOf(attributes);
      try {
        if (conditions.length > 0 && !conditionsHold(conditions, { request: shownTo(spec) })) return { verdict: "no-opinion", reason: "" };
      } catch (error) {
        return failed(error);
      }
      const keepFor = ({ allowed }: Status): number => {
        if (lengthOf(attributes) >= longestKept) return 0;
        return allowed ? options.authorizedTTL : options.unauthorizedTTL;
      };
      const answer = answers.get(JSON.stringify(spec), () => ask(spec), keepFor);
      return answer instanceof Promise ? answer.then(decisionOf, failed) : decisionOf(answer);
    },
    rulesFor: () => ({ rules: [], errors: ["webhook authorizer does not support user rule resolution"], incomplete: true }),
  };
}

function statusOf(answer: unknown): Status {
  const { status = {} } = Object(answer) as { status?: Partial<Record<keyof Status, unknown>> }; // Whatever it is, it has fields or none.
  const { allowed, denied, reason } = status;
  return { allowed: allowed === true, denied: denied === true, reason: typeof reason === "string" ? reason : "" };
}

function decisionOf({ allowed, denied, reason }: Status): Decision {
  if (denied) return { verdict: "deny", reason };
  return { verdict: allowed ? "allow" : "no-opinion", reason };
}

function specOf(attributes: RequestAttributes): SubjectAccessReviewSpec {
  const { user, verb, path, fieldSelector, labelSelector, isResource } = attributes;
  const extra = user.extra && Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]]));
  const who = { user: user.name, groups: [...user.groups], ...(user.uid ? { uid: user.uid } : {}), ...(extra ? { extra } : {}) };
  if (!isResource) return { ...who, nonResourceAttributes: { path, verb } };
  const { namespace, group, version, resource, subresource, name } = attributes;
  const named = Object.entries({ namespace, verb, group, version, resource, subresource, name }).filter(([, value]) => value !== "");
  const fields = fieldSelector ? fieldRequirements(fieldSelector) : undefined;
  const labels = labelSelector ? labelRequirements(labelSelector) : undefined;
  const selectors = { ...(fields ? { fieldSelector: fields } : {}), ...(labels ? { labelSelector: labels } : {}) };
  return { ...who, resourceAttributes: { ...Object.fromEntries(named), ...selectors } };
}

/** What cannot be read is left out: then more is asked for than is meant, never less. */
function fieldRequirements(selector: string): FieldSelectorAttributes | undefined {
  const requirements = selector.split(",").flatMap((term) => {
    const [, key, sign, value = ""] = /^([^=!]+)(==?|!=)(.*)$/.exec(term) ?? [];
    return key ? [{ key, operator: sign === "!=" ? ("NotIn" as const) : ("In" as const), values: [value] }] : [];
  });
  return requirements.length > 0 ? { requirements } : undefined;
}

const operators: Readonly<Record<string, string>> = {
  "=": "In",
  in: "In",
  "!=": "NotIn",
  notin: "NotIn",
  exists: "Exists",
  "!": "DoesNotExist",
};

function labelRequirements(selector: string): LabelSelectorAttributes | undefined {
  try {
    const requirements = parseLabelSelector(selector).requirements.flatMap(({ key, operator, values }) => {
      const known = operators[operator];
      return known ? [{ key, operator: known, ...(values.length > 0 ? { values: [...values] } : {}) }] : [];
    });
    return requirements.length > 0 ? { requirements } : undefined;
  } catch {
    return undefined;
  }
}

/** The same as expressions see it: fields without a value are there, and empty. */
function shownTo({ user, groups, uid = "", extra = {}, resourceAttributes, nonResourceAttributes }: SubjectAccessReviewSpec): object {
  const empty = { namespace: "", verb: "", group: "", version: "", resource: "", subresource: "", name: "" };
  return {
    ...{ user, groups, uid, extra },
    ...(resourceAttributes ? { resourceAttributes: { ...empty, ...resourceAttributes } } : {}),
    ...(nonResourceAttributes ? { nonResourceAttributes } : {}),
  };
}

function lengthOf(attributes: RequestAttributes): number {
  let length = 0;
  for (const value of Object.values(attributes)) if (typeof value === "string") length += value.length;
  return length;
}
