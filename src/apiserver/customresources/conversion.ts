import { parseJson } from "../../api/codec/json-numbers.ts";
import { StatusError } from "../../api/errors.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import { isJsonObject } from "../../api/schema/struct.ts";
import type { CustomResourceDefinition } from "../../api/types/apiextensions.v1.ts";
import { callWebhook, type WebhookClientParts } from "../admission/webhooks/webhook-client.ts";
import { copyOf, untyped } from "../plain-data.ts";

/** What asking a conversion webhook needs. */
export interface ConversionParts extends WebhookClientParts {
  newUid(): string;
}

/** Converts objects to a version of their group ("example.com/v2"); gives new ones, in the same order. Throws StatusErrors. */
export type Convert = (objects: readonly Readonly<KubeObject>[], apiVersion: string) => Promise<KubeObject[]>;

/** How a definition's objects are converted; undefined where versions differ in nothing but their name. */
export function conversionOf({ spec }: CustomResourceDefinition, parts: ConversionParts): Convert | undefined {
  const { webhook } = spec.conversion ?? {};
  const { clientConfig, conversionReviewVersions = [] } = webhook ?? {};
  if (spec.conversion?.strategy !== "Webhook" || !clientConfig) return undefined;
  const reviewVersion = conversionReviewVersions.find((version) => version === "v1" || version === "v1beta1") ?? "v1";
  return async (objects, desiredAPIVersion) => {
    const [first] = objects;
    if (!first) return [];
    const uid = parts.newUid();
    const request = { uid, desiredAPIVersion, objects };
    const review = { kind: "ConversionReview", apiVersion: `apiextensions.k8s.io/${reviewVersion}`, request };
    const what = `conversion webhook for ${first.apiVersion}, Kind=${first.kind}`;
    const fail = (why: string): StatusError => new StatusError({ code: 500, message: `${what} ${why}` });
    let converted: unknown[];
    try {
      converted = convertedObjects(await callWebhook(parts, { spec: { clientConfig, timeoutSeconds: 30 } }, review), uid);
    } catch (error) {
      throw fail(`failed: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (converted.length !== objects.length) throw fail(`returned ${converted.length} objects, expected ${objects.length}`);
    return objects.map((original, i) => {
      const object = converted[i];
      const problem = problemOf(original, object, desiredAPIVersion);
      if (problem) throw fail(`returned invalid converted object at index ${i}: ${problem}`);
      return withMetadata(original, untyped(Object(object)));
    });
  };
}

/** The objects of a ConversionReview's answer. Throws an Error that says why there are none. */
function convertedObjects(text: string, uid: string): unknown[] {
  const review = parseJson(text);
  const response = isJsonObject(review) ? review["response"] : undefined;
  if (!isJsonObject(response)) throw new Error("no response provided");
  if (response["uid"] !== uid)
    throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response["uid"] ?? "")}`);
  const { result, convertedObjects: objects } = response;
  if (!isJsonObject(result) || result["status"] !== "Success")
    throw new Error((isJsonObject(result) && String(result["message"] ?? "")) || "no further details");
  return Array.isArray(objects) ? objects : [];
}

function problemOf(original: Readonly<KubeObject>, object: unknown, apiVersion: string): string | undefined {
  if (!isJsonObject(object) || !isJsonObject(object["metadata"])) return "invalid metadata of type <nil>";
  const { metadata } = object;
  if (object["apiVersion"] !== apiVersion) return `invalid groupVersion (expected ${apiVersion}, received ${String(object["apiVersion"])})`;
  const same = (name: string, before: unknown, after: unknown): string | undefined =>
    (before ?? "") === (after ?? "") ? undefined : `must have the same ${name}: ${String(before ?? "")} != ${String(after ?? "")}`;
  return (
    same("kind", original.kind, object["kind"]) ??
    same("name", original.metadata.name, metadata["name"]) ??
    same("namespace", original.metadata.namespace, metadata["namespace"]) ??
    same("UID", original.metadata.uid, metadata["uid"])
  );
}

/** Of the metadata a webhook may change labels and annotations only. */
function withMetadata(original: Readonly<KubeObject>, object: KubeObject): KubeObject {
  const metadata = copyOf<KubeObject["metadata"]>(original.metadata);
  for (const member of ["labels", "annotations"] as const) {
    const changed = object.metadata[member];
    if (changed) metadata[member] = changed;
    else delete metadata[member];
  }
  return { ...object, metadata };
}
