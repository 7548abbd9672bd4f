// Generated from the facts by src/api/schema/generate.ts; do not edit.
import type { ListMeta } from "./meta.v1.ts";
import type { NamespacedMeta } from "../meta/object.ts";

export interface Lease {
  apiVersion: "coordination.k8s.io/v1";
  kind: "Lease";
  metadata: NamespacedMeta;
  spec: LeaseSpec;
}

export interface LeaseList {
  apiVersion: "coordination.k8s.io/v1";
  items: Lease[];
  kind: "LeaseList";
  metadata: ListMeta;
}

export interface LeaseSpec {
  acquireTime?: string;
  holderIdentity?: string;
  leaseDurationSeconds?: number;
  leaseTransitions?: number;
  preferredHolder?: string;
  renewTime?: string;
  strategy?: string;
}
