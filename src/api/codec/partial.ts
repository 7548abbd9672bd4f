import { notAcceptable } from "../errors.ts";
import type { KubeList, KubeObject } from "../meta/object.ts";
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

/** The metadata of a list's objects. Throws a 406 when it is no list. */
export function partialList(list: KubeList | KubeObject, version: MetaVersion = "v1"): KubeList<PartialObject> {
  if (!isList(list)) throw notAcceptable(`you requested PartialObjectMetadataList, but the requested object is not a list (*${list.kind})`);
  return {
    kind: "PartialObjectMetadataList",
    apiVersion: `meta.k8s.io/${version}`,
    metadata: list.metadata,
    items: list.items.map((item) => partialObject(item, version)),
  };
}

function isList(list: KubeList | KubeObject): list is KubeList {
  return "items" in list && Array.isArray(list.items);
}
