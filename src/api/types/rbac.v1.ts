// Generated from the facts by src/api/schema/generate.ts; do not edit.
import type { LabelSelector, ListMeta } from "./meta.v1.ts";
import type { NamespacedMeta, StoredMeta } from "../meta/object.ts";

export interface AggregationRule {
  clusterRoleSelectors?: LabelSelector[];
}

export interface ClusterRole {
  aggregationRule?: AggregationRule;
  apiVersion: "rbac.authorization.k8s.io/v1";
  kind: "ClusterRole";
  metadata: StoredMeta;
  rules?: PolicyRule[];
}

export interface ClusterRoleBinding {
  apiVersion: "rbac.authorization.k8s.io/v1";
  kind: "ClusterRoleBinding";
  metadata: StoredMeta;
  roleRef: RoleRef;
  subjects?: Subject[];
}

export interface ClusterRoleBindingList {
  apiVersion: "rbac.authorization.k8s.io/v1";
  items: ClusterRoleBinding[];
  kind: "ClusterRoleBindingList";
  metadata: ListMeta;
}

export interface ClusterRoleList {
  apiVersion: "rbac.authorization.k8s.io/v1";
  items: ClusterRole[];
  kind: "ClusterRoleList";
  metadata: ListMeta;
}

export interface PolicyRule {
  apiGroups?: string[];
  nonResourceURLs?: string[];
  resourceNames?: string[];
  resources?: string[];
  verbs: string[];
}

export interface Role {
  apiVersion: "rbac.authorization.k8s.io/v1";
  kind: "Role";
  metadata: NamespacedMeta;
  rules?: PolicyRule[];
}

export interface RoleBinding {
  apiVersion: "rbac.authorization.k8s.io/v1";
  kind: "RoleBinding";
  metadata: NamespacedMeta;
  roleRef: RoleRef;
  subjects?: Subject[];
}

export interface RoleBindingList {
  apiVersion: "rbac.authorization.k8s.io/v1";
  items: RoleBinding[];
  kind: "RoleBindingList";
  metadata: ListMeta;
}

export interface RoleList {
  apiVersion: "rbac.authorization.k8s.io/v1";
  items: Role[];
  kind: "RoleList";
  metadata: ListMeta;
}

export interface RoleRef {
  apiGroup?: string;
  kind: string;
  name: string;
}

export interface Subject {
  apiGroup?: string;
  kind: string;
  name: string;
  namespace?: string;
}
