// Generated from the facts by src/api/schema/generate.ts; do not edit.

export interface APIGroup {
  apiVersion: "v1";
  kind: "APIGroup";
  name: string;
  preferredVersion?: GroupVersionForDiscovery;
  serverAddressByClientCIDRs?: ServerAddressByClientCIDR[];
  versions: GroupVersionForDiscovery[];
}

export interface APIGroupList {
  apiVersion: "v1";
  groups: APIGroup[];
  kind: "APIGroupList";
}

export interface APIResource {
  categories?: string[];
  group?: string;
  kind: string;
  name: string;
  namespaced: boolean;
  shortNames?: string[];
  singularName: string;
  storageVersionHash?: string;
  verbs: Verbs;
  version?: string;
}

export interface APIResourceList {
  apiVersion: "v1";
  groupVersion: string;
  kind: "APIResourceList";
  resources: APIResource[];
}

export interface APIVersions {
  apiVersion: "v1";
  kind: "APIVersions";
  serverAddressByClientCIDRs: ServerAddressByClientCIDR[];
  versions: string[];
}

export interface Condition {
  lastTransitionTime: string;
  message: string;
  observedGeneration?: number;
  reason: string;
  status: string;
  type: string;
}

export interface CreateOptions {
  apiVersion: "v1";
  dryRun?: string[];
  fieldManager?: string;
  fieldValidation?: string;
  kind: "CreateOptions";
}

export interface DeleteOptions {
  apiVersion: "v1";
  dryRun?: string[];
  gracePeriodSeconds?: number;
  ignoreStoreReadErrorWithClusterBreakingPotential?: boolean;
  kind: "DeleteOptions";
  orphanDependents?: boolean;
  preconditions?: Preconditions;
  propagationPolicy?: string;
}

export interface FieldSelectorRequirement {
  key: string;
  operator: string;
  values?: string[];
}

export interface GetOptions {
  apiVersion: "v1";
  kind: "GetOptions";
  resourceVersion?: string;
}

export interface GroupVersionForDiscovery {
  groupVersion: string;
  version: string;
}

export interface GroupVersionKind {
  group: string;
  kind: string;
  version: string;
}

export interface LabelSelector {
  matchExpressions?: LabelSelectorRequirement[];
  matchLabels?: Record<string, string>;
}

export interface LabelSelectorRequirement {
  key: string;
  operator: string;
  values?: string[];
}

export interface ListMeta {
  continue?: string;
  remainingItemCount?: number;
  resourceVersion?: string;
  selfLink?: string;
  shardInfo?: ShardInfo;
}

export interface ListOptions {
  allowWatchBookmarks?: boolean;
  apiVersion: "v1";
  continue?: string;
  fieldSelector?: string;
  kind: "ListOptions";
  labelSelector?: string;
  limit?: number;
  resourceVersion?: string;
  resourceVersionMatch?: string;
  sendInitialEvents?: boolean;
  shardSelector?: string;
  timeoutSeconds?: number;
  watch?: boolean;
}

export interface ManagedFieldsEntry {
  apiVersion?: string;
  fieldsType?: string;
  fieldsV1?: Record<string, unknown>;
  manager?: string;
  operation?: string;
  subresource?: string;
  time?: string;
}

export interface ObjectMeta {
  annotations?: Record<string, string>;
  creationTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  deletionTimestamp?: string;
  finalizers?: string[];
  generateName?: string;
  generation?: number;
  labels?: Record<string, string>;
  managedFields?: ManagedFieldsEntry[];
  name?: string;
  namespace?: string;
  ownerReferences?: OwnerReference[];
  resourceVersion?: string;
  selfLink?: string;
  uid?: string;
}

export interface OwnerReference {
  apiVersion: string;
  blockOwnerDeletion?: boolean;
  controller?: boolean;
  kind: string;
  name: string;
  uid: string;
}

export interface PartialObjectMetadata {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
}

export interface PartialObjectMetadataList {
  apiVersion?: string;
  items: PartialObjectMetadata[];
  kind?: string;
  metadata: ListMeta;
}

export interface PatchOptions {
  apiVersion: "v1";
  dryRun?: string[];
  fieldManager?: string;
  fieldValidation?: string;
  force?: boolean;
  kind: "PatchOptions";
}

export interface Preconditions {
  resourceVersion?: string;
  uid?: string;
}

export interface ServerAddressByClientCIDR {
  clientCIDR: string;
  serverAddress: string;
}

export interface ShardInfo {
  selector: string;
}

export interface Status {
  apiVersion: "v1";
  code?: number;
  details?: StatusDetails;
  kind: "Status";
  message?: string;
  metadata: ListMeta;
  reason?: string;
  status: string;
}

export interface StatusCause {
  field?: string;
  message?: string;
  reason?: string;
}

export interface StatusDetails {
  causes?: StatusCause[];
  group?: string;
  kind?: string;
  name?: string;
  retryAfterSeconds?: number;
  uid?: string;
}

export interface Table {
  apiVersion?: string;
  columnDefinitions: TableColumnDefinition[];
  kind?: string;
  metadata: ListMeta;
  rows: TableRow[];
}

export interface TableColumnDefinition {
  description: string;
  format: string;
  name: string;
  priority: number;
  type: string;
}

export interface TableRow {
  cells: unknown[];
  conditions?: TableRowCondition[];
  object?: Record<string, unknown>;
}

export interface TableRowCondition {
  message?: string;
  reason?: string;
  status: string;
  type: string;
}

export interface UpdateOptions {
  apiVersion: "v1";
  dryRun?: string[];
  fieldManager?: string;
  fieldValidation?: string;
  kind: "UpdateOptions";
}

export type Verbs = string[];

export interface WatchEvent {
  object: Record<string, unknown>;
  type: string;
}
