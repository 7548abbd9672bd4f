/** One field of a type, as read from the public Go types of Kubernetes v1.36. */
export interface FieldFacts {
  /** string, bool, int32, int64, float64, bytes, any, time, micro-time, duration, quantity, int-or-string, fields-v1,
   * raw-object, json, schema-or-bool, schema-or-strings, schema-or-array, a type's name, `[T]` a list or `{T}` a map of strings to T. */
  type: string;
  /** The type's name in Go's texts where it has one of its own ("v1.RestartPolicy", "[]v1.Capability"). */
  go?: string;
  /** The field must be present. */
  req?: boolean;
  /** Written even when zero. */
  keep?: boolean;
  /** Absent and zero differ. */
  ptr?: boolean;
  default?: unknown;
  enum?: string[];
  format?: string;
  /** How server-side apply merges a list, with the keys of a map-like one. */
  list?: "atomic" | "set" | "map";
  keys?: string[];
  map?: "atomic";
  /** Strategic merge patch: strategies (comma-separated) and merge key. */
  patch?: string;
  mergeKey?: string;
  /** Protobuf field number and tag kind. */
  pb?: number;
  wire?: string;
}

/** One type. A field named `~X` is an embedded struct: inline in JSON, its own message on the wire where pb > 0. */
export interface TypeFacts {
  /** "v1 Pod" or "apps/v1 Deployment" where the type is a kind of its own. */
  gvk?: string[];
  fields?: Record<string, FieldFacts>;
  /** "list-message:T": a message whose field 1 repeats T. */
  scalar?: string;
  map?: "atomic";
  /** Fields of which at most one may be set, as OpenAPI tells them. */
  unions?: unknown[];
}

/** One resource or subresource of a group and version. */
export interface ResourceFacts {
  singularName: string;
  namespaced: boolean;
  kind: string;
  verbs: string[];
  shortNames?: string[];
  categories?: string[];
  /** The group and version of a subresource's kind, where they are not the resource's. */
  group?: string;
  version?: string;
}

/** One column of a Table. */
export interface ColumnFacts {
  name: string;
  type: string;
  format?: string;
  priority: number;
}

/** discovery.json. */
export interface DiscoveryFacts {
  order: { name: string; versions: string[]; preferred: string }[];
  /** By "v1" or "apps/v1", then by "pods" or "pods/status". */
  resources: Record<string, Record<string, ResourceFacts>>;
  /** By "v1 pods". */
  columns: Record<string, ColumnFacts[]>;
}
