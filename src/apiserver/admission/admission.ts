import type { KubeObject } from "../../api/meta/object.ts";
import type { ResourceInfo } from "../../api/resource.ts";
import type { UserInfo } from "../../api/user.ts";
import type { CurrentAudit } from "../audit/current.ts";

/** A write on its way through admission (KEP-less, see "Admission Control in Kubernetes"). */
export interface AdmissionRequest {
  operation: "CREATE" | "UPDATE" | "DELETE" | "CONNECT";
  resource: ResourceInfo;
  subresource: string;
  namespace: string;
  /** "" for a create with generateName. */
  name: string;
  /** The new object, which admit may change in place; undefined for DELETE. For CONNECT the options (PodExecOptions). */
  object: KubeObject | undefined;
  /** The state before; undefined for CREATE and CONNECT. Frozen. */
  old: KubeObject | undefined;
  user: UserInfo;
  dryRun: boolean;
  /** "wants second" after a webhook has changed the object: then all mutating steps run once more, in their second pass. */
  pass?: "wants second" | "second";
  /** Shows the client a warning. */
  warn(message: string): void;
  /** Adds an annotation to the request's audit events, where such are kept; at level Request only where they show what was sent. */
  annotate?: CurrentAudit["annotate"] | undefined;
  /** Registers what is to happen when the write fails after all: gives back a reservation. */
  onFailure(undo: () => void): void;
}

/** One admission plugin; throws a StatusError (forbidden, ...) to refuse. All mutating steps run before all validating ones. */
export interface AdmissionPlugin {
  /** As upstream names it: NamespaceLifecycle, ServiceAccount, ... */
  name: string;
  /** The only resources that it looks at, as "pods" or "ingresses.networking.k8s.io"; writes of others do not come by it. Default: all. */
  resources?: readonly string[];
  admit?(request: AdmissionRequest): Promise<void> | void;
  validate?(request: AdmissionRequest): Promise<void> | void;
}
