import { requiredValue } from "../../api/meta/fields.ts";
import bootstrap from "../../api/schema/bootstrap.json" with { type: "json" };
import type { ClusterRole } from "../../api/types/rbac.v1.ts";
import { ResourceSlices, VolumeAttachments } from "../../api/types/resources.ts";
import type { RequestAttributes, UserInfo } from "../../api/user.ts";
import type { Authorizer, Decision } from "./authorizer.ts";
import type { NodeGraph, ReferencedResource } from "./node-graph.ts";
import { compileRules, rulesAllow } from "./rules.ts";

const prefix = "system:node:";
const leaseNamespace = "kube-node-lease";

/** The node that a user is; undefined for users that are none. */
export function nodeOf(user: UserInfo): string | undefined {
  return user.name.startsWith(prefix) && user.groups.includes("system:nodes") ? user.name.slice(prefix.length) : undefined;
}

/**
 * What kubelets may do ("Using Node Authorization"): read what their pods refer to, and write their own node, lease, CSINode and
 * pods' status; the finer rules of writes are NodeRestriction's.
 */
export function nodeAuthorizer(graph: NodeGraph): Authorizer {
  // The same rules as the ClusterRole system:node, which is bound to nobody any more.
  const role = bootstrap["ClusterRole"]?.find(({ metadata }) => metadata.name === "system:node") as ClusterRole | undefined;
  const rules = compileRules(role?.rules);
  return {
    name: "node",
    authorize(attributes) {
      const node = nodeOf(attributes.user);
      if (node === undefined) return no("");
      if (node === "") return no(`unknown node for user ${JSON.stringify(attributes.user.name)}`);
      const decided = attributes.isResource ? decide(graph, node, attributes) : undefined;
      return decided ?? (rulesAllow(rules, attributes) ? { verdict: "allow", reason: "" } : no(""));
    },
  };
}

function no(reason: string): Decision {
  return { verdict: "no-opinion", reason };
}

/** Undefined: the general rules decide. */
function decide(graph: NodeGraph, node: string, attributes: RequestAttributes): Decision | undefined {
  switch (attributes.group === "" ? attributes.resource : `${attributes.resource}.${attributes.group}`) {
    case "secrets":
    case "configmaps":
      if (!["get", "list", "watch"].includes(attributes.verb)) return no("can only read resources of this type");
      return related(graph, node, attributes);
    case "persistentvolumeclaims":
      if (attributes.subresource === "status") return updateStatus(graph, node, attributes);
      return getOnly(attributes) ?? related(graph, node, attributes);
    case "persistentvolumes":
      return getOnly(attributes) ?? reachable(graph.usesVolume(node, attributes.name), node);
    case "resourceclaims.resource.k8s.io":
      return getOnly(attributes) ?? related(graph, node, attributes);
    case "volumeattachments.storage.k8s.io":
      return getOnly(attributes) ?? reachable(graph.isAbout(node, VolumeAttachments, attributes.name), node);
    case "resourceslices.resource.k8s.io":
      return resourceSlice(graph, node, attributes);
    case "serviceaccounts":
      return serviceAccount(graph, node, attributes);
    case "leases.coordination.k8s.io":
      return lease(node, attributes);
    case "csinodes.storage.k8s.io":
      return csiNode(node, attributes);
    case "nodes":
      return ownNode(node, attributes);
    case "pods":
      return ownPod(graph, node, attributes);
    default:
      return undefined;
  }
}

const allow: Decision = { verdict: "allow", reason: "" };

function reachable(yes: boolean, node: string): Decision {
  return yes ? allow : no(`no relationship found between node '${node}' and this object`);
}

function related(graph: NodeGraph, node: string, { resource, subresource, namespace, name }: RequestAttributes): Decision {
  if (subresource !== "") return no("cannot read subresource");
  if (name === "") return no("No Object name found");
  if (namespace === "") return no("can only read namespaced object of this type");
  return reachable(graph.refersTo(node, resource as ReferencedResource, namespace, name), node); // decide() has looked at the name.
}

function getOnly({ verb, subresource, name }: RequestAttributes): Decision | undefined {
  if (verb !== "get" || name === "") return no("can only get individual resources of this type");
  return subresource === "" ? undefined : no("cannot get subresource");
}

function updateStatus(graph: NodeGraph, node: string, { verb, namespace, name }: RequestAttributes): Decision {
  if (!["get", "update", "patch"].includes(verb)) return no("can only get/update/patch this type");
  if (name === "") return no("No Object name found");
  return reachable(graph.refersTo(node, "persistentvolumeclaims", namespace, name), node);
}

function serviceAccount(graph: NodeGraph, node: string, { verb, subresource, namespace, name }: RequestAttributes): Decision {
  const isToken = verb === "create" && subresource === "token";
  if (!isToken && !(verb === "get" && subresource === "")) return no("can only create tokens for individual service accounts");
  if (name === "") return no("can only create tokens for individual service accounts");
  return reachable(graph.refersTo(node, "serviceaccounts", namespace, name), node);
}

const ownVerbs = ["get", "create", "update", "patch", "delete"];

function lease(node: string, { verb, namespace, name }: RequestAttributes): Decision {
  if (!ownVerbs.includes(verb)) return no("can only get, create, update, patch, or delete a node lease");
  if (namespace !== leaseNamespace) return no(`can only access leases in the "${leaseNamespace}" system namespace`);
  // The name of a create is not in its path: NodeRestriction looks at the object.
  return verb === "create" || name === node ? allow : no("can only access node lease with the same name as the requesting node");
}

function csiNode(node: string, { verb, subresource, name }: RequestAttributes): Decision {
  if (!ownVerbs.includes(verb)) return no("can only get, create, update, patch, or delete a CSINode");
  if (subresource !== "") return no("cannot authorize CSINode subresources");
  return verb === "create" || name === node ? allow : no("can only access CSINode with the same name as the requesting node");
}

function resourceSlice(graph: NodeGraph, node: string, { verb, subresource, name, fieldSelector }: RequestAttributes): Decision {
  if (subresource !== "") return no("cannot authorize ResourceSlice subresources");
  // Whose slice it is that is made, NodeRestriction sees.
  if (verb === "create") return allow;
  if (["watch", "list", "deletecollection"].includes(verb)) {
    if (requiredValue(fieldSelector, "spec.nodeName") === node) return allow;
    return no("can only list/watch/deletecollection resourceslices with nodeName field selector");
  }
  if (ownVerbs.includes(verb)) return reachable(graph.isAbout(node, ResourceSlices, name), node);
  return no("only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection");
}

function ownNode(node: string, { verb, subresource, name, fieldSelector }: RequestAttributes): Decision | undefined {
  if (subresource !== "" || !["get", "list", "watch"].includes(verb)) return undefined;
  if (name === node || requiredValue(fieldSelector, "metadata.name") === node) return allow;
  return no(`node '${node}' cannot read ${name === "" ? "all nodes" : `'${name}'`}, only its own Node object`);
}

function ownPod(
  graph: NodeGraph,
  node: string,
  { verb, subresource, namespace, name, fieldSelector }: RequestAttributes,
): Decision | undefined {
  if (subresource !== "" || !["get", "list", "watch"].includes(verb)) return undefined;
  if (verb !== "get" && name === "")
    return requiredValue(fieldSelector, "spec.nodeName") === node
      ? allow
      : no("can only list/watch pods with spec.nodeName field selector");
  return reachable(graph.refersTo(node, "pods", namespace, name), node);
}
