import type { KubeObject } from "../meta/object.ts";
import type { ObjectMeta } from "../types/meta.v1.ts";

/** An object of which only the metadata is told. */
export interface PartialObject extends KubeObject {
  kind: "PartialObjectMetadata";
  metadata: ObjectMeta;
}

type MetaVersion = "v1" | "v1beta1";

/** The object's metadata alone. The metadata is shared with the object. */
export function partialObject(object: KubeObject, version: MetaVersion = "v1"): PartialObject {
  return { kind: "PartialObjectMetadata", apiVersion: `meta.k8s.io/${version}`, metadata: object.metadata };
}
