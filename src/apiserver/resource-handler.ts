import type { FieldError, StatusTarget } from "../api/errors.ts";
import type { KindRules } from "../api/kind.ts";
import type { ManagedFields } from "../api/meta/apply/managed-fields.ts";
import type { FieldGetters } from "../api/meta/fields.ts";
import type { KubeObject } from "../api/meta/object.ts";
import type { ResourceInfo } from "../api/resource.ts";
import type { CompiledType } from "../api/schema/compiled.ts";
import type { ColumnFacts } from "../api/schema/facts.ts";
import type { SchemaNode } from "../api/schema/node.ts";
import type { StoredObject } from "../store/store.ts";
import type { Call, ListOptions } from "./call.ts";
import type { ResourcePolicy } from "./resource-policy.ts";

/** An object as one version shows it. A StoredObject of the storage version is its own view. */
export interface View {
  /** Frozen, shared; without managedFields. */
  readonly object: Readonly<KubeObject>;
  /** Its JSON text, managedFields included. */
  readonly text: string;
  readonly managed?: ManagedFields | undefined;
}

/** The schema of a type, compiled; custom resources find problems by it, built-in kinds have their rules for that. */
export interface ObjectSchema extends CompiledType {
  /** `warn` is told what is wrong, but has been before. */
  validate?(object: KubeObject, old?: Readonly<KubeObject>, warn?: (message: string) => void): FieldError[];
  /** What server-side apply knows of a custom resource; that of built-in types is found by their name. */
  node?: SchemaNode;
}

/** What a subresource does. One of the two shapes below. */
export type Subresource = ObjectSubresource | CallSubresource;

/** A view of the main object that can be read, replaced and patched: status, scale, finalize, approval, resize, ... */
export interface ObjectSubresource {
  shape: "object";
  /** The type of what is sent and shown: the main one but for scale. */
  schema: ObjectSchema;
  /** Its name in types.json, where strategic merge patches find their merge keys. */
  type?: string | undefined;
  /** "autoscaling/v1" and "Scale"; the main resource's own for the others. */
  apiVersion: string;
  kind: string;
  verbs: readonly string[];
  /** What a get shows. */
  show(object: Readonly<KubeObject>): KubeObject;
  /**
   * Set where it is written for each object many times: the top-level members that it writes. A patch that speaks of no others is made on
   * these alone, and what `merge` gives is complete: with its defaults, and all else shared with the old object.
   */
  writes?: readonly string[] | undefined;
  /** The main object after the write: a new, mutable one. `sent` is given away. Throws StatusErrors. */
  merge(old: Readonly<KubeObject>, sent: KubeObject, call: Call): KubeObject;
  /** What is wrong with the result. */
  validate(object: KubeObject, old: KubeObject): FieldError[];
}

/** An action on a named object by POST: binding, eviction, token. */
export interface CallSubresource {
  shape: "call";
  schema: ObjectSchema;
  /** Its name in types.json. */
  type: string;
  apiVersion: string;
  kind: string;
  /** Does it and gives the answer. `sent` is given away. */
  create(call: Call, sent: KubeObject): Promise<Reply>;
}

/** What a verb answers. */
export interface Reply {
  view: View;
  /** HTTP status: 200, 201 or 202. */
  code: number;
}

/** What a resource does beside what all do. */
export interface ResourceHooks {
  /** Gives a new or changed object what only the server can give (addresses, ports); after admission, before validation. Returns how to undo it. */
  allocate?(object: KubeObject, old: Readonly<KubeObject> | undefined, call: Call): (() => void) | undefined;
  /** Changes the object that is about to be marked as deleted, in place of counting its generation up. */
  beginDelete?(object: KubeObject): void;
  /** Whether an object marked as deleted may go now; default: it has no finalizers and no grace period left. */
  mayGo?(object: Readonly<KubeObject>): boolean;
}

/** How a version comes by its objects where a webhook converts them. */
export interface WebhookConversion {
  /** Converts what is in another version, all at once; undefined where nothing is left to do. Rejects with StatusErrors. */
  prepare(stored: readonly StoredObject[]): Promise<void> | undefined;
  /** The object in the version that is stored. */
  toStorage(object: KubeObject): Promise<KubeObject>;
  /** The object in another version of its group ("example.com/v2"): a new one. Rejects with StatusErrors. */
  convert(object: Readonly<KubeObject>, apiVersion: string): Promise<KubeObject>;
}

/** Everything the verbs need to know of one version of one resource; made once, when the resource begins to be served. */
export interface ResourceHandler {
  info: ResourceInfo;
  /** The store's name of the resource: "group/plural"; versions and twins (events) share it. */
  storage: string;
  listKind: string;
  rules: KindRules;
  schema: ObjectSchema;
  policy: ResourcePolicy;
  hooks: ResourceHooks;
  /** For errors: { group, kind: "pods" }. */
  target: StatusTarget;
  /** For validation errors: { group, kind: "Pod" }. */
  kindTarget: StatusTarget;
  columns: readonly ColumnFacts[];
  /** Fields of its own that can be selected, beside metadata.name and metadata.namespace. */
  fields: FieldGetters | undefined;
  hasStatus: boolean;
  /** A new object starts without the status that a client sent. */
  clearsStatus: boolean;
  subresources: ReadonlyMap<string, Subresource>;
  /** The object as this version shows it. */
  view(stored: StoredObject): View;
  /** The object in the version that is stored; may change and return the same. */
  toStorage(object: KubeObject): KubeObject;
  /** Set where a webhook converts between versions: what `view` is asked for has to be prepared, and toStorage is not used. */
  conversion?: WebhookConversion | undefined;
  /** Clients are warned that the version is deprecated. */
  deprecation?: string | undefined;
  /** Resources without storage answer by themselves. */
  virtual?: VirtualResource;
}

/** A resource that is not stored: reviews, bindings, component statuses, metrics. */
export interface VirtualResource {
  create?(call: Call, sent: KubeObject): Promise<Reply>;
  /** Also for a get, whose call has a name. Throws StatusErrors. */
  list?(call: Call, options: ListOptions): KubeObject[] | Promise<KubeObject[]>;
}

/** What is known of an object before it is put into words. */
export type Content = Pick<View, "object" | "managed">;

/** A view of an object that is not stored; its text is made when asked for. */
export function viewOf(object: KubeObject, managed?: ManagedFields): View {
  let text: string | undefined;
  return {
    object,
    managed,
    get text() {
      text ??= JSON.stringify(wholeObject(this));
      return text;
    },
  };
}

/** The JSON text of the object's metadata, managedFields included. */
export function metadataText({ object, managed }: Content): string {
  const text = JSON.stringify(object.metadata);
  return managed ? `{"managedFields":${managed.text},${text.slice(1)}` : text;
}

/** The object with its managedFields, as clients see it. */
export function wholeObject({ object, managed }: Content): Readonly<KubeObject> {
  return managed ? { ...object, metadata: { ...object.metadata, managedFields: managed.entries } } : object;
}
