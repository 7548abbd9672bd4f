import { resolve } from "node:path";
import type { Pod } from "../../../api/types/core.v1.ts";
import type { Clock } from "../../../lib/clock.ts";
import type { Logger } from "../../../lib/log.ts";
import { KeptAnswers } from "../../backends/kept-answers.ts";
import { type RemoteService, remoteService } from "../../backends/remote-service.ts";
import { boolean, integer, object, parseShape, text } from "../../configuration/shape.ts";
import type { AdmissionPlugin, AdmissionRequest } from "../admission.ts";
import { refuse } from "../request.ts";

const shape = object({
  imagePolicy: object({ kubeConfigFile: text, allowTTL: integer, denyTTL: integer, retryBackoff: integer, defaultAllow: boolean }),
});
const auditPrefix = "imagepolicywebhook.image-policy.k8s.io/";

/** What the webhook says of the images of a pod. */
interface Verdict {
  allowed: boolean;
  reason: string;
  annotations: Record<string, string>;
}

/**
 * Asks a server outside whether the images of a pod may run, with an ImageReview. Rejects for a configuration that makes no sense. `folder`
 * is where the paths in it begin.
 */
export async function imagePolicyWebhook(
  configuration: unknown,
  { folder, clock, log }: { folder: string; clock: Clock; log: Logger },
): Promise<{ plugin: AdmissionPlugin; close(): void }> {
  const { imagePolicy = {} } = parseShape(shape, configuration ?? {});
  const { kubeConfigFile, defaultAllow = false } = imagePolicy;
  if (!kubeConfigFile) throw new Error("imagePolicy.kubeConfigFile: Required value");
  const allowFor = seconds("allowTTL", imagePolicy.allowTTL, 300);
  const denyFor = seconds("denyTTL", imagePolicy.denyTTL, 30);
  const { retryBackoff = 0 } = imagePolicy;
  if (retryBackoff < -1 || retryBackoff > 300_000)
    throw new Error("imagePolicy.retryBackoff: must be 1 to 300000 milliseconds, or -1 for none");
  const pause = retryBackoff === 0 ? 500 : Math.max(retryBackoff, 0);
  const service = await remoteService(resolve(folder, kubeConfigFile), { clock, pause });
  const answers = new KeptAnswers<Verdict>(clock, 1024);
  const plugin: AdmissionPlugin = {
    name: "ImagePolicyWebhook",
    resources: ["pods"],
    async validate(request) {
      const spec = reviewSpec(request);
      if (!spec) return;
      let verdict: Verdict;
      try {
        verdict = await answers.get(
          JSON.stringify(spec),
          () => ask(service, spec),
          ({ allowed }) => (allowed ? allowFor : denyFor),
        );
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        if (!defaultAllow) throw refuse(request, why);
        log.warn({ error: why }, "the image policy webhook could not be asked; its configuration lets the pod pass");
        request.annotate?.(`${auditPrefix}failed-open`, "true");
        return;
      }
      for (const [key, value] of Object.entries(verdict.annotations)) request.annotate?.(auditPrefix + key, value);
      if (verdict.allowed) return;
      const { reason } = verdict;
      throw refuse(
        request,
        reason ? `image policy webhook backend denied one or more images: ${reason}` : "one or more images rejected by webhook backend",
      );
    },
  };
  return { plugin, close: () => service.close() };
}

/** Milliseconds; -1 in the file keeps nothing. */
function seconds(name: string, given = 0, fallback: number): number {
  if (given < -1 || given > 1800) throw new Error(`imagePolicy.${name}: must be 1 to 1800 seconds, or -1 for none`);
  return given === -1 ? 0 : (given || fallback) * 1000;
}

/** What is asked about a pod that is written; undefined for other requests. */
function reviewSpec({ operation, resource, subresource, object: sent, namespace }: AdmissionRequest): object | undefined {
  if (resource.group !== "" || resource.plural !== "pods") return undefined;
  if ((operation !== "CREATE" && operation !== "UPDATE") || (subresource !== "" && subresource !== "ephemeralcontainers")) return undefined;
  const { metadata, spec } = sent as Pod; // The resource says so.
  const containers = subresource ? (spec.ephemeralContainers ?? []) : [...spec.containers, ...(spec.initContainers ?? [])];
  const annotations = Object.entries(metadata.annotations ?? {}).filter(([key]) => key.includes(".image-policy.k8s.io/"));
  const about = annotations.length > 0 ? { annotations: Object.fromEntries(annotations) } : {};
  return { containers: containers.map(({ image }) => ({ image })), ...about, namespace };
}

async function ask(service: RemoteService, spec: object): Promise<Verdict> {
  const review = { kind: "ImageReview", apiVersion: "imagepolicy.k8s.io/v1alpha1", metadata: {}, spec, status: { allowed: false } };
  const { status = {} } = Object(await service.ask(review)) as { status?: Record<string, unknown> }; // Whatever it is, it has fields or none.
  const { allowed, reason, auditAnnotations } = status;
  const annotations = Object.entries(Object(auditAnnotations)).map(([key, value]) => [key, String(value)]);
  return { allowed: allowed === true, reason: typeof reason === "string" ? reason : "", annotations: Object.fromEntries(annotations) };
}
