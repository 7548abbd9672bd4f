import { badRequest, forbidden, internalError, StatusError } from "../../../api/errors.ts";
import type { KubeObject } from "../../../api/meta/object.ts";
import { applyJsonPatch } from "../../../api/meta/patch/json.ts";
import { MutatingWebhookConfigurations, ValidatingWebhookConfigurations } from "../../../api/types/resources.ts";
import type { Logger } from "../../../lib/log.ts";
import { SecureAgents } from "../../backends/secure-agents.ts";
import type { Objects } from "../../objects.ts";
import { untyped } from "../../plain-data.ts";
import type { Registry } from "../../registry.ts";
import type { AdmissionPlugin, AdmissionRequest } from "../admission.ts";
import { changeObject } from "../change.ts";
import { isExempt, type Match, matchOf } from "../matching.ts";
import { nameOf } from "../request.ts";
import { Configurations, type Webhook } from "./configurations.ts";
import { type Authorize, celVariables, conditionsHold } from "../match-conditions.ts";
import { Reinvocation } from "../reinvocation.ts";
import { denial, readResponse, type ReviewResponse, reviewRequest, type Sight, sightOf } from "./review.ts";
import { callWebhook } from "./webhook-client.ts";

/** A webhook that is to be called, and how it sees the request. */
interface Invocation extends Match {
  webhook: Webhook;
  /** Which one of all it is, in audit annotations: "mutation.webhook.admission.k8s.io/round_0_index_2". */
  label: string;
}

/** What admission webhooks work with. */
export interface WebhookAdmissionOptions {
  objects: Objects;
  /** The API server's; made after admission. */
  registry: () => Registry;
  authorize: Authorize;
  log: Logger;
  /** 0 to 1. */
  random?: () => number;
}

/** The plugins MutatingAdmissionWebhook and ValidatingAdmissionWebhook; see "Dynamic Admission Control". Without configurations they cost nothing. */
export function webhookAdmission(options: WebhookAdmissionOptions): { plugins: AdmissionPlugin[]; close(): void } {
  const mutating = new Configurations(options.objects, MutatingWebhookConfigurations);
  const validating = new Configurations(options.objects, ValidatingWebhookConfigurations);
  const caller = new Caller(options);
  const reinvocation = new Reinvocation();
  return {
    plugins: [
      {
        name: "MutatingAdmissionWebhook",
        admit: (request) => (mutating.webhooks().length > 0 ? admit(caller, reinvocation, mutating.webhooks(), request) : undefined),
      },
      {
        name: "ValidatingAdmissionWebhook",
        validate: (request) => (validating.webhooks().length > 0 ? validate(caller, validating.webhooks(), request) : undefined),
      },
    ],
    close() {
      mutating.close();
      validating.close();
      caller.close();
    },
  };
}

/** One after the other: each sees what those before it have made of the object. */
async function admit(caller: Caller, reinvocation: Reinvocation, webhooks: readonly Webhook[], request: AdmissionRequest): Promise<void> {
  if (isExempt(request)) return;
  reinvocation.begin(request);
  const round = request.pass === "second" ? 1 : 0;
  for (const [index, webhook] of webhooks.entries()) {
    const label = `webhook.admission.k8s.io/round_${round}_index_${index}`;
    const invocation = caller.invocation(webhook, request, `mutation.${label}`);
    if (!invocation || !reinvocation.mayCall(request, webhook)) continue;
    const answer = await caller.call(invocation, request);
    const changed = answer?.patch !== undefined && (await mutate(request, invocation, answer.sight, answer.patch));
    reinvocation.called(request, webhook, changed);
    if (answer && request.annotate) annotateMutation(request.annotate, label, webhook, { changed, patch: answer.patch });
  }
  reinvocation.end(request);
}

/** What audit keeps of a mutating webhook's call, and the patch where it keeps what is sent. */
function annotateMutation(
  annotate: NonNullable<AdmissionRequest["annotate"]>,
  label: string,
  { id, spec }: Webhook,
  { changed, patch }: { changed: boolean; patch: unknown },
): void {
  const who = { configuration: id.split("/", 1)[0], webhook: spec.name };
  annotate(`mutation.${label}`, JSON.stringify({ ...who, mutated: changed }));
  if (Array.isArray(patch) && patch.length > 0)
    annotate(`patch.${label}`, JSON.stringify({ ...who, patch, patchType: "JSONPatch" }), "Request");
}

/** All at once; of several refusals the first webhook's counts. */
async function validate(caller: Caller, webhooks: readonly Webhook[], request: AdmissionRequest): Promise<void> {
  if (isExempt(request)) return;
  const invocations = webhooks
    .flatMap((webhook) => caller.invocation(webhook, request, "") ?? [])
    .map((invocation, index) => ({ ...invocation, label: `validating.webhook.admission.k8s.io/round_0_index_${index}` }));
  const outcomes = await Promise.allSettled(invocations.map((invocation) => caller.call(invocation, request)));
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
}

/** Applies the patch to what the webhook saw, and makes the request's object of it: pruned and with defaults. Gives whether it changed. */
async function mutate(request: AdmissionRequest, invocation: Invocation, { object }: Sight, patch: unknown): Promise<boolean> {
  if (!object || !request.object)
    throw internalError(
      `admission webhook ${JSON.stringify(invocation.webhook.spec.name)} attempted to modify the object, which is not supported for this operation`,
    );
  let patched: KubeObject;
  try {
    patched = untyped(Object(applyJsonPatch(object, patch)));
  } catch (error) {
    throw internalError(error instanceof Error ? error.message : String(error));
  }
  return changeObject(request, invocation, patched);
}

/** Calls webhooks, and turns what goes wrong into what their failurePolicy says. */
class Caller {
  private readonly options: WebhookAdmissionOptions;
  private readonly agents = new SecureAgents();

  constructor(options: WebhookAdmissionOptions) {
    this.options = options;
  }

  close(): void {
    this.agents.close();
  }

  invocation(webhook: Webhook, request: AdmissionRequest, label: string): Invocation | undefined {
    const match = matchOf(webhook.criteria, request, { objects: this.options.objects, registry: this.options.registry() });
    return match && { ...match, webhook, label };
  }

  /** The answer of a webhook that allows; undefined when it was not asked, or could not be and need not. Throws its refusal. */
  async call(invocation: Invocation, request: AdmissionRequest): Promise<(ReviewResponse & { sight: Sight }) | undefined> {
    const { spec } = invocation.webhook;
    const sight = await sightOf(request, invocation).catch((error: unknown) => {
      throw internalError(error instanceof Error ? error.message : String(error));
    });
    const review = reviewRequest(request, invocation, sight);
    if (!this.matches(invocation.webhook, request, review)) return undefined;
    if (request.dryRun && spec.sideEffects !== "None" && spec.sideEffects !== "NoneOnDryRun")
      throw badRequest(`admission webhook ${JSON.stringify(spec.name)} does not support dry run`);
    let response: ReviewResponse;
    try {
      response = await this.ask(invocation.webhook, review);
    } catch (error) {
      const message = `failed calling webhook ${JSON.stringify(spec.name)}: ${error instanceof Error ? error.message : error}`;
      if (spec.failurePolicy !== "Ignore") throw internalError(message);
      request.annotate?.(`failed-open.${invocation.label}`, spec.name);
      this.options.log.warn({ webhook: spec.name }, `${message}; its failurePolicy lets the request pass`);
      return undefined;
    }
    for (const [key, value] of Object.entries(response.auditAnnotations)) request.annotate?.(`${spec.name}/${key}`, String(value));
    for (const warning of response.warnings) request.warn(warning);
    if (!response.allowed) throw denial(spec.name, response.status);
    return { ...response, sight };
  }

  private async ask(webhook: Webhook, review: ReturnType<typeof reviewRequest>): Promise<ReviewResponse> {
    const version = webhook.spec.admissionReviewVersions.find((one) => one === "v1" || one === "v1beta1") ?? "v1";
    const { objects, random = Math.random } = this.options;
    const body = { kind: "AdmissionReview", apiVersion: `admission.k8s.io/${version}`, request: review };
    const answer = await callWebhook({ objects, agents: this.agents, random }, webhook, body).catch((error: Error) => {
      throw new Error(`failed to call webhook: ${error.message}`);
    });
    try {
      return readResponse(answer, review.uid, version);
    } catch (error) {
      throw new Error(`received invalid webhook response: ${error instanceof Error ? error.message : error}`);
    }
  }

  private matches(webhook: Webhook, request: AdmissionRequest, review: ReturnType<typeof reviewRequest>): boolean {
    const shown = { object: review.object, old: review.oldObject, review: () => review };
    try {
      return webhook.conditions.length === 0 || conditionsHold(webhook.conditions, celVariables(request, shown, this.options.authorize));
    } catch (error) {
      if (error instanceof StatusError) throw error;
      if (webhook.spec.failurePolicy === "Ignore") return false;
      const { group, plural: kind } = request.resource;
      throw forbidden({ group, kind, name: nameOf(request) }, error instanceof Error ? error.message : String(error));
    }
  }
}
