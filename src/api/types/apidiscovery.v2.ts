// Generated from the facts by src/api/schema/generate.ts; do not edit.
import type { GroupVersionKind, ListMeta, ObjectMeta } from "./meta.v1.ts";

export interface APIGroupDiscovery {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  versions?: APIVersionDiscovery[];
}

export interface APIGroupDiscoveryList {
  apiVersion: "apidiscovery.k8s.io/v2";
  kind: "APIGroupDiscoveryList";
  items: APIGroupDiscovery[];
  metadata: ListMeta;
}

export interface APIResourceDiscovery {
  categories?: string[];
  resource: string;
  responseKind?: GroupVersionKind;
  scope: string;
  shortNames?: string[];
  singularResource: string;
  subresources?: APISubresourceDiscovery[];
  verbs: string[];
}

export interface APISubresourceDiscovery {
  acceptedTypes?: GroupVersionKind[];
  responseKind?: GroupVersionKind;
  subresource: string;
  verbs: string[];
}

export interface APIVersionDiscovery {
  freshness?: string;
  resources?: APIResourceDiscovery[];
  version: string;
}
