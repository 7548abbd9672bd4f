import {
  mutatingAdmissionPolicyBindingRules,
  mutatingAdmissionPolicyRules,
  validatingAdmissionPolicyBindingRules,
  validatingAdmissionPolicyRules,
} from "./admissionregistration/admission-policy.ts";
import { mutatingWebhookConfigurationRules, validatingWebhookConfigurationRules } from "./admissionregistration/webhook-configuration.ts";
import { customResourceDefinitionRules } from "./apiextensions/custom-resource-definition.ts";
import { apiServiceRules } from "./apiregistration/api-service.ts";
import { controllerRevisionRules } from "./apps/controller-revision.ts";
import { daemonSetRules } from "./apps/daemon-set.ts";
import { deploymentRules } from "./apps/deployment.ts";
import { replicaSetRules } from "./apps/replica-set.ts";
import { statefulSetRules } from "./apps/stateful-set.ts";
import { horizontalPodAutoscalerV1Rules } from "./autoscaling/horizontal-pod-autoscaler-v1.ts";
import { horizontalPodAutoscalerRules } from "./autoscaling/horizontal-pod-autoscaler.ts";
import { cronJobRules } from "./batch/cron-job.ts";
import { jobRules } from "./batch/job.ts";
import { certificateSigningRequestRules } from "./certificates/certificate-signing-request.ts";
import { leaseRules } from "./coordination/lease.ts";
import { configMapRules } from "./core/config-map.ts";
import { endpointsRules } from "./core/endpoints.ts";
import { eventRules } from "./core/event.ts";
import { eventsEventRules } from "./core/events-event.ts";
import { limitRangeRules } from "./core/limit-range.ts";
import { namespaceRules } from "./core/namespace.ts";
import { nodeRules } from "./core/node.ts";
import { persistentVolumeClaimRules } from "./core/persistent-volume-claim.ts";
import { persistentVolumeRules } from "./core/persistent-volume.ts";
import { podRules } from "./core/pod.ts";
import { replicationControllerRules } from "./core/replication-controller.ts";
import { resourceQuotaRules } from "./core/resource-quota.ts";
import { secretRules } from "./core/secret.ts";
import { serviceRules } from "./core/service.ts";
import { componentStatusRules, podTemplateRules, serviceAccountRules } from "./core/simple-kinds.ts";
import { endpointSliceRules } from "./discovery/endpoint-slice.ts";
import { flowSchemaRules, priorityLevelConfigurationRules } from "./flowcontrol/priority-and-fairness.ts";
import { ipAddressRules, serviceCidrRules } from "./networking/cluster-addresses.ts";
import { ingressClassRules } from "./networking/ingress-class.ts";
import { ingressRules } from "./networking/ingress.ts";
import { networkPolicyRules } from "./networking/network-policy.ts";
import { runtimeClassRules } from "./node/runtime-class.ts";
import { podDisruptionBudgetRules } from "./policy/pod-disruption-budget.ts";
import { clusterRoleBindingRules, roleBindingRules } from "./rbac/role-binding.ts";
import { clusterRoleRules, roleRules } from "./rbac/role.ts";
import { deviceClassRules, resourceClaimRules, resourceClaimTemplateRules, resourceSliceRules } from "./resource/devices.ts";
import { priorityClassRules } from "./scheduling/priority-class.ts";
import { csiDriverRules, csiNodeRules, csiStorageCapacityRules, volumeAttachmentRules, volumeAttributesClassRules } from "./storage/csi.ts";
import { storageClassRules } from "./storage/storage-class.ts";
import type { KindRules } from "./kind.ts";
import type { KubeObject } from "./meta/object.ts";
import type { ResourceInfo } from "./resource.ts";

/** Kinds by group and kind, with the version where versions differ. */
const rules: Readonly<Record<string, KindRules>> = {
  "/Pod": kind(podRules),
  "/Service": kind(serviceRules),
  "/Node": kind(nodeRules),
  "/Namespace": kind(namespaceRules),
  "/ConfigMap": kind(configMapRules),
  "/Secret": kind(secretRules),
  "/ServiceAccount": kind(serviceAccountRules),
  "/PersistentVolume": kind(persistentVolumeRules),
  "/PersistentVolumeClaim": kind(persistentVolumeClaimRules),
  "/Endpoints": kind(endpointsRules),
  "/Event": kind(eventRules),
  "/ResourceQuota": kind(resourceQuotaRules),
  "/LimitRange": kind(limitRangeRules),
  "/ReplicationController": kind(replicationControllerRules),
  "/PodTemplate": kind(podTemplateRules),
  "/ComponentStatus": kind(componentStatusRules),
  "events.k8s.io/Event": kind(eventsEventRules),
  "apps/Deployment": kind(deploymentRules),
  "apps/ReplicaSet": kind(replicaSetRules),
  "apps/StatefulSet": kind(statefulSetRules),
  "apps/DaemonSet": kind(daemonSetRules),
  "apps/ControllerRevision": kind(controllerRevisionRules),
  "batch/Job": kind(jobRules),
  "batch/CronJob": kind(cronJobRules),
  "networking.k8s.io/Ingress": kind(ingressRules),
  "networking.k8s.io/IngressClass": kind(ingressClassRules),
  "networking.k8s.io/NetworkPolicy": kind(networkPolicyRules),
  "networking.k8s.io/ServiceCIDR": kind(serviceCidrRules),
  "networking.k8s.io/IPAddress": kind(ipAddressRules),
  "discovery.k8s.io/EndpointSlice": kind(endpointSliceRules),
  "rbac.authorization.k8s.io/Role": kind(roleRules),
  "rbac.authorization.k8s.io/ClusterRole": kind(clusterRoleRules),
  "rbac.authorization.k8s.io/RoleBinding": kind(roleBindingRules),
  "rbac.authorization.k8s.io/ClusterRoleBinding": kind(clusterRoleBindingRules),
  "policy/PodDisruptionBudget": kind(podDisruptionBudgetRules),
  "scheduling.k8s.io/PriorityClass": kind(priorityClassRules),
  "storage.k8s.io/StorageClass": kind(storageClassRules),
  "storage.k8s.io/CSIDriver": kind(csiDriverRules),
  "storage.k8s.io/CSINode": kind(csiNodeRules),
  "storage.k8s.io/CSIStorageCapacity": kind(csiStorageCapacityRules),
  "storage.k8s.io/VolumeAttachment": kind(volumeAttachmentRules),
  "storage.k8s.io/VolumeAttributesClass": kind(volumeAttributesClassRules),
  "autoscaling/HorizontalPodAutoscaler": kind(horizontalPodAutoscalerRules),
  "autoscaling/v1/HorizontalPodAutoscaler": kind(horizontalPodAutoscalerV1Rules),
  "coordination.k8s.io/Lease": kind(leaseRules),
  "certificates.k8s.io/CertificateSigningRequest": kind(certificateSigningRequestRules),
  "apiextensions.k8s.io/CustomResourceDefinition": kind(customResourceDefinitionRules),
  "admissionregistration.k8s.io/MutatingWebhookConfiguration": kind(mutatingWebhookConfigurationRules),
  "admissionregistration.k8s.io/ValidatingWebhookConfiguration": kind(validatingWebhookConfigurationRules),
  "admissionregistration.k8s.io/ValidatingAdmissionPolicy": kind(validatingAdmissionPolicyRules),
  "admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding": kind(validatingAdmissionPolicyBindingRules),
  "admissionregistration.k8s.io/MutatingAdmissionPolicy": kind(mutatingAdmissionPolicyRules),
  "admissionregistration.k8s.io/MutatingAdmissionPolicyBinding": kind(mutatingAdmissionPolicyBindingRules),
  "flowcontrol.apiserver.k8s.io/FlowSchema": kind(flowSchemaRules),
  "flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration": kind(priorityLevelConfigurationRules),
  "apiregistration.k8s.io/APIService": kind(apiServiceRules),
  "node.k8s.io/RuntimeClass": kind(runtimeClassRules),
  "resource.k8s.io/DeviceClass": kind(deviceClassRules),
  "resource.k8s.io/ResourceClaim": kind(resourceClaimRules),
  "resource.k8s.io/ResourceClaimTemplate": kind(resourceClaimTemplateRules),
  "resource.k8s.io/ResourceSlice": kind(resourceSliceRules),
};

const none: KindRules = {};

/** What only that kind knows; empty for kinds without special rules and for custom resources. */
export function rulesOf({ group, version, kind }: Pick<ResourceInfo, "group" | "version" | "kind">): KindRules {
  return rules[`${group}/${version}/${kind}`] ?? rules[`${group}/${kind}`] ?? none;
}

// The table is indexed by the kind that the rules are for, so they only ever see objects of it.
function kind<T extends KubeObject>(special: KindRules<T>): KindRules {
  return special as KindRules;
}
