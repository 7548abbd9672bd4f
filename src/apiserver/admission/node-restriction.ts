import { folderToRemove, localPathFinalizer } from "../../api/core/local-path.ts";
import { notFound } from "../../api/errors.ts";
import { deepEqual } from "../../api/meta/equality.ts";
import type { TokenRequest } from "../../api/types/authentication.v1.ts";
import type { CertificateSigningRequest } from "../../api/types/certificates.v1.ts";
import type { Node, PersistentVolume, Pod } from "../../api/types/core.v1.ts";
import type { ResourceSlice } from "../../api/types/resource.v1.ts";
import { CSIDrivers, Nodes, PersistentVolumeClaims, PersistentVolumes, Pods } from "../../api/types/resources.ts";
import type { RequestAttributes } from "../../api/user.ts";
import { nodeOf, objectsReferredTo } from "../authorization/index.ts";
import type { Objects } from "../objects.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission.ts";
import { certificateSubject } from "./certificates.ts";
import { nameOf, refuse } from "./request.ts";

/** What the check needs: the cluster's objects, and who may what. */
interface NodeRestrictionOptions {
  objects: Objects;
  isAllowed(attributes: RequestAttributes): boolean | Promise<boolean>;
}

/** What a kubelet may write, beyond what the Node authoriser sees: only its own node and what belongs to the pods on it. */
export function nodeRestriction({ objects, isAllowed }: NodeRestrictionOptions): AdmissionPlugin {
  return {
    name: "NodeRestriction",
    validate(request) {
      const node = nodeOf(request.user);
      if (!node) return;
      const { resource, subresource } = request;
      switch (resource.group === "" ? resource.plural : `${resource.plural}.${resource.group}`) {
        case "pods":
          return subresource === "" ? checkPod(request, node, objects) : checkPodSubresource(request, node, objects);
        case "nodes":
          return checkNode(request, node);
        case "persistentvolumeclaims":
          if (request.operation !== "UPDATE" || subresource !== "status") throw refuse(request, "may only update PVC status");
          return;
        case "persistentvolumes":
          return checkVolume(request, node);
        case "serviceaccounts":
          return checkToken(request, node, { objects, isAllowed });
        case "leases.coordination.k8s.io":
          if (request.namespace !== "kube-node-lease")
            throw refuse(request, 'can only access leases in the "kube-node-lease" system namespace');
          if (nameOf(request) !== node) throw refuse(request, "can only access node lease with the same name as the requesting node");
          return;
        case "csinodes.storage.k8s.io":
          if (nameOf(request) !== node) throw refuse(request, "can only access CSINode with the same name as the requesting node");
          return;
        case "resourceslices.resource.k8s.io":
          return checkSlice(request, node);
        case "certificatesigningrequests.certificates.k8s.io":
          return checkCertificateRequest(request);
      }
    },
  };
}

/** A node lets go of the local-path volumes whose folders it has removed, and does nothing else to volumes. */
function checkVolume(request: AdmissionRequest, node: string): void {
  const refused = refuse(request, `node ${JSON.stringify(node)} can only release deleted local-path volumes of its own`);
  if (request.operation !== "UPDATE" || request.subresource !== "") throw refused;
  const [volume, old] = [request.object as PersistentVolume, request.old as PersistentVolume];
  if (folderToRemove(old, node) === undefined) throw refused;
  const without = ({ metadata, ...rest }: PersistentVolume) => ({
    ...rest,
    metadata: { ...metadata, finalizers: [], resourceVersion: "" },
  });
  const kept = (old.metadata.finalizers ?? []).filter((finalizer) => finalizer !== localPathFinalizer);
  if (!deepEqual(without(volume), without(old)) || !deepEqual(volume.metadata.finalizers ?? [], kept)) throw refused;
}

function checkPod(request: AdmissionRequest, node: string, objects: Objects): void {
  const quoted = JSON.stringify(node);
  if (request.operation === "DELETE") {
    const old = request.old as Pod; // The resource says so, here and below.
    if (old.spec.nodeName !== node) throw refuse(request, `node ${quoted} can only delete pods with spec.nodeName set to itself`);
    return;
  }
  if (request.operation !== "CREATE")
    throw refuse(request, `unexpected operation "${request.operation}", node ${quoted} can only create and delete mirror pods`);
  const { metadata, spec } = request.object as Pod;
  if (metadata.annotations?.["kubernetes.io/config.mirror"] === undefined)
    throw refuse(request, `pod does not have "kubernetes.io/config.mirror" annotation, node ${quoted} can only create mirror pods`);
  if (spec.nodeName !== node) throw refuse(request, `node ${quoted} can only create pods with spec.nodeName set to itself`);
  const [owner, ...others] = metadata.ownerReferences ?? [];
  if (others.length > 0) throw refuse(request, `node ${quoted} can only create pods with a single owner reference set to itself`);
  if (owner?.kind !== "Node" || owner.apiVersion !== "v1" || owner.name !== node)
    throw refuse(request, `node ${quoted} can only create pods with an owner reference set to itself`);
  if (!owner.controller) throw refuse(request, `node ${quoted} can only create pods with a controller owner reference set to itself`);
  if (owner.blockOwnerDeletion) throw refuse(request, `node ${quoted} must not set blockOwnerDeletion on an owner reference`);
  const uid = objects.get(Nodes, undefined, node)?.metadata.uid;
  if (uid === undefined) throw notFound({ kind: "nodes", name: node });
  if (uid !== owner.uid) throw refuse(request, `node ${node} UID mismatch: expected ${owner.uid} got ${uid}`);
  const [reference] = objectsReferredTo({ metadata, spec } as Pod); // As given, without a status.
  if (reference) throw refuse(request, `node ${quoted} can not create pods that reference ${reference.slice(0, reference.indexOf("/"))}`);
}

/** A node tells only of devices of its own. */
function checkSlice({ operation, object, old, ...request }: AdmissionRequest, node: string): void {
  const slice = (operation === "DELETE" ? old : object) as ResourceSlice | undefined; // The resource says so.
  if ((operation !== "CREATE" && operation !== "DELETE") || slice?.spec.nodeName === node) return;
  const why = `can only ${operation.toLowerCase()} ResourceSlice with the same NodeName as the requesting node`;
  throw refuse({ ...request, operation, object, old }, why);
}

function checkPodSubresource(request: AdmissionRequest, node: string, objects: Objects): void {
  const quoted = JSON.stringify(node);
  switch (request.subresource) {
    case "status": {
      if (request.operation !== "UPDATE") throw refuse(request, `unexpected operation "${request.operation}"`);
      const old = request.old as Pod;
      if (old.spec.nodeName !== node)
        throw refuse(request, `node ${quoted} can only update pod status for pods with spec.nodeName set to itself`);
      if (!deepEqual(request.object?.metadata.labels ?? {}, old.metadata.labels ?? {}))
        throw refuse(request, `node ${quoted} cannot update labels through pod status`);
      const claims = (pod: unknown): unknown => (pod as Pod).status?.resourceClaimStatuses ?? [];
      if (!deepEqual(claims(request.object), claims(old))) throw refuse(request, `node ${quoted} cannot update resource claim statues`);
      return;
    }
    case "eviction": {
      const pod = objects.get(Pods, request.namespace, request.name);
      if (pod && pod.spec.nodeName !== node) throw refuse(request, `node ${node} can only evict pods with spec.nodeName set to itself`);
      return;
    }
    default:
      throw refuse(request, `unexpected pod subresource "${request.subresource}", only 'status' and 'eviction' are allowed`);
  }
}

function checkNode(request: AdmissionRequest, node: string): void {
  const quoted = JSON.stringify(node);
  const name = nameOf(request);
  if (name !== node) throw refuse(request, `node ${quoted} is not allowed to modify node ${JSON.stringify(name)}`);
  const written = request.object as Node | undefined;
  if (request.operation === "CREATE" && written) {
    const labels = Object.keys(written.metadata.labels ?? {})
      .filter(isForbiddenLabel)
      .sort();
    if (labels.length > 0) throw refuse(request, `node ${quoted} is not allowed to set the following labels: ${labels.join(", ")}`);
  }
  if (request.operation !== "UPDATE" || !written) return;
  const old = request.old as Node;
  if (!deepEqual(written.spec?.configSource, old.spec?.configSource))
    throw refuse(request, `node ${quoted} is not allowed to update configSource`);
  if (!deepEqual(written.spec?.taints ?? [], old.spec?.taints ?? []))
    throw refuse(request, `node ${quoted} is not allowed to modify taints`);
  if (!deepEqual(written.metadata.ownerReferences ?? [], old.metadata.ownerReferences ?? []))
    throw refuse(request, `node ${quoted} is not allowed to modify ownerReferences`);
  const labels = changedLabels(written.metadata.labels ?? {}, old.metadata.labels ?? {})
    .filter(isForbiddenLabel)
    .sort();
  if (labels.length > 0) throw refuse(request, `is not allowed to modify labels: ${labels.join(", ")}`);
}

function changedLabels(labels: Record<string, string>, old: Record<string, string>): string[] {
  return [...new Set([...Object.keys(labels), ...Object.keys(old)])].filter((key) => labels[key] !== old[key]);
}

const kubeletLabels = new Set([
  "kubernetes.io/hostname",
  "kubernetes.io/os",
  "kubernetes.io/arch",
  "beta.kubernetes.io/os",
  "beta.kubernetes.io/arch",
  "beta.kubernetes.io/instance-type",
  "node.kubernetes.io/instance-type",
  "topology.kubernetes.io/region",
  "topology.kubernetes.io/zone",
  "failure-domain.beta.kubernetes.io/region",
  "failure-domain.beta.kubernetes.io/zone",
]);

/** Labels of Kubernetes' own domains belong to administrators, but for those that describe the machine. */
function isForbiddenLabel(key: string): boolean {
  if (kubeletLabels.has(key)) return false;
  const domain = key.includes("/") ? (key.split("/")[0] ?? "") : "";
  const within = (parent: string): boolean => domain === parent || domain.endsWith(`.${parent}`);
  if (within("kubelet.kubernetes.io") || within("node.kubernetes.io")) return false;
  return within("kubernetes.io") || within("k8s.io");
}

async function checkToken(request: AdmissionRequest, node: string, { objects, isAllowed }: NodeRestrictionOptions): Promise<void> {
  if (request.operation !== "CREATE" || request.subresource !== "token") return;
  const { boundObjectRef: ref, audiences = [] } = (request.object as unknown as TokenRequest).spec ?? {}; // The subresource says so.
  if (ref?.apiVersion !== "v1" || ref.kind !== "Pod" || !ref.name) throw refuse(request, "node requested token not bound to a pod");
  if (!ref.uid) throw refuse(request, "node requested token with a pod binding without a uid");
  const pod = objects.get(Pods, request.namespace, ref.name);
  if (!pod) throw notFound({ kind: "pods", name: ref.name });
  if (pod.metadata.uid !== ref.uid) {
    const why = `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`;
    throw refuse(request, why);
  }
  if (pod.spec.nodeName !== node) throw refuse(request, "node requested token bound to a pod scheduled on a different node");
  const [audience = "", ...others] = audiences;
  if (others.length > 0) throw refuse(request, "node may only request 0 or 1 audiences");
  if (audiencesOf(objects, pod).has(audience)) return;
  const { user, namespace, name } = request;
  const verb = "request-serviceaccounts-token-audience";
  const asked = { user, verb, isResource: true, path: "", group: "", version: "v1", resource: audience, subresource: "", namespace, name };
  if (await isAllowed(asked)) return;
  const why = `audience ${JSON.stringify(audience)} not found in pod spec volume, ${user.name} is not authorized to request tokens for this audience`;
  throw refuse(request, why);
}

/** For whom the volumes of a pod want tokens, "" being the API itself (KEP-4412). */
function audiencesOf(objects: Objects, { metadata, spec }: Pod): Set<string> {
  const audiences = new Set<string>();
  for (const { name, projected, csi, ephemeral, persistentVolumeClaim } of spec.volumes ?? []) {
    for (const { serviceAccountToken } of projected?.sources ?? [])
      if (serviceAccountToken) audiences.add(serviceAccountToken.audience ?? "");
    const claim = ephemeral ? `${metadata.name}-${name}` : persistentVolumeClaim?.claimName;
    const volume = claim && objects.get(PersistentVolumeClaims, metadata.namespace, claim)?.spec.volumeName;
    const driver = csi?.driver ?? (volume && objects.get(PersistentVolumes, undefined, volume)?.spec.csi?.driver);
    const requests = driver ? objects.get(CSIDrivers, undefined, driver)?.spec.tokenRequests : undefined;
    for (const { audience } of requests ?? []) audiences.add(audience);
  }
  return audiences;
}

async function checkCertificateRequest(request: AdmissionRequest): Promise<void> {
  if (request.operation !== "CREATE" || request.subresource !== "") return;
  const { spec } = request.object as CertificateSigningRequest; // The resource says so.
  if (spec.signerName !== "kubernetes.io/kubelet-serving" && spec.signerName !== "kubernetes.io/kube-apiserver-client-kubelet") return;
  const { commonName } = await certificateSubject(spec.request);
  if (commonName !== request.user.name) throw refuse(request, `can only create a node CSR with CN=${request.user.name}`);
}
