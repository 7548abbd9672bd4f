import { createHash } from "node:crypto";
import { kubernetesVersion } from "../../lib/version.ts";
import { descriptionsFile } from "./descriptions.ts";
import discovery from "./discovery.json" with { type: "json" };
import type { OpenApiResource } from "./openapi-paths.ts";
import type { OpenApiVersion } from "./openapi-schemas.ts";
import type { JsonObject } from "./struct.ts";
import types from "./types.json" with { type: "json" };

/** An OpenAPI document as it is sent. */
export interface OpenApiDocument {
  /** JSON. */
  body: Buffer;
  /** A strong ETag with its quotes: the same as long as the document is. */
  etag: string;
}

/** A custom resource in the OpenAPI documents. */
export interface ExtraResource {
  resource: OpenApiResource;
  /** Its definitions by name: that of its kind (resource.definition) and that of its list. */
  definitions(version: OpenApiVersion): JsonObject;
}

/** What documents say of the server: the Kubernetes version and the built-in group versions. */
export const discoveryFacts = {
  version: kubernetesVersion.gitVersion,
  groupVersions: Object.keys(discovery.resources).map((groupVersion) => {
    const slash = groupVersion.indexOf("/");
    return { group: slash < 0 ? "" : groupVersion.slice(0, slash), version: groupVersion.slice(slash + 1) };
  }),
};

let factsHash: string | undefined;

/** A hash that changes when the document may: of the facts, the descriptions and the custom resources in it, without building the document. */
export function documentHash(name: string, extras: readonly ExtraResource[]): string {
  factsHash ??= createHash("sha256")
    .update(kubernetesVersion.gitVersion)
    .update(JSON.stringify(types))
    .update(JSON.stringify(discovery))
    .update(descriptionsFile() ?? "")
    .digest("hex");
  const hash = createHash("sha512").update(factsHash).update(name);
  for (const { resource, definitions } of extras) hash.update(JSON.stringify(resource)).update(JSON.stringify(definitions("v3")));
  return hash.digest("hex").toUpperCase();
}
