import type { ControllerFactory } from "../client/controller.ts";
import { createBootstrapTokenCleaner } from "./bootstrap-token-cleaner.ts";
import { createCSRApproving } from "./certificates/csr-approving.ts";
import { createCSRCleaner } from "./certificates/csr-cleaner.ts";
import { csrSigning } from "./certificates/csr-signing.ts";
import { createClusterRoleAggregation } from "./cluster-role-aggregation.ts";
import { createEndpointSliceMirroringController } from "./endpoints/endpoint-slice-mirroring.ts";
import { createEndpointSliceController } from "./endpoints/endpoint-slice.ts";
import { createEndpointsController } from "./endpoints/endpoints.ts";
import { eventTTL } from "./event-ttl.ts";
import { createFlowControl } from "./flow-control.ts";
import { createGarbageCollector } from "./garbage-collector/garbage-collector.ts";
import { createNamespaceController } from "./namespace.ts";
import { nodeIPAM } from "./node-ipam.ts";
import { createNodeLifecycleController } from "./node-lifecycle.ts";
import { createPodGarbageCollector } from "./pod-gc.ts";
import { createResourceQuotaController } from "./resource-quota.ts";
import { rootCAPublisher } from "./root-ca.ts";
import { serviceAccountTokens } from "./service-account-token.ts";
import { createServiceAccountController } from "./service-account.ts";
import { createServiceCIDRController } from "./service-cidr.ts";
import type { ClusterSettings } from "./settings.ts";
import { createTaintEvictionController } from "./taint-eviction.ts";
import { createValidatingAdmissionPolicyStatus } from "./validating-admission-policy-status.ts";
import { createEphemeralVolumeController } from "./volumes/ephemeral-volume.ts";
import { localPath } from "./volumes/local-path.ts";
import { createPersistentVolumeBinder } from "./volumes/persistent-volume-binder.ts";
import { createPVCProtection, createPVProtection, createVACProtection } from "./volumes/volume-protection.ts";

/** The controllers that run the cluster itself (those that run workloads are in index.ts), by their names in upstream's list. */
export function clusterControllers(settings: ClusterSettings): Record<string, { create: ControllerFactory; component?: string }> {
  return {
    "bootstrap-token-cleaner": { create: createBootstrapTokenCleaner },
    "certificatesigningrequest-approving": { create: createCSRApproving },
    "certificatesigningrequest-cleaner": { create: createCSRCleaner },
    "certificatesigningrequest-signing": { create: csrSigning(settings) },
    "clusterrole-aggregation": { create: createClusterRoleAggregation },
    endpoints: { create: createEndpointsController, component: "endpoint-controller" },
    endpointslice: { create: createEndpointSliceController, component: "endpoint-slice-controller" },
    endpointslicemirroring: { create: createEndpointSliceMirroringController, component: "endpoint-slice-mirroring-controller" },
    "ephemeral-volume": { create: createEphemeralVolumeController, component: "ephemeral_volume" },
    "event-ttl": { create: eventTTL() },
    "flow-control": { create: createFlowControl },
    "garbage-collector": { create: createGarbageCollector },
    "local-path": { create: localPath(settings), component: "rancher.io/local-path" },
    namespace: { create: createNamespaceController },
    "node-ipam": { create: nodeIPAM(settings), component: "cidrAllocator" },
    "node-lifecycle": { create: createNodeLifecycleController, component: "node-controller" },
    "persistentvolume-binder": { create: createPersistentVolumeBinder, component: "persistentvolume-controller" },
    "persistentvolume-protection": { create: createPVProtection },
    "persistentvolumeclaim-protection": { create: createPVCProtection },
    "pod-garbage-collector": { create: createPodGarbageCollector },
    resourcequota: { create: createResourceQuotaController },
    "root-ca-certificate-publisher": { create: rootCAPublisher(settings) },
    serviceaccount: { create: createServiceAccountController },
    "serviceaccount-token": { create: serviceAccountTokens(settings) },
    "service-cidr": { create: createServiceCIDRController },
    "taint-eviction": { create: createTaintEvictionController, component: "taint-eviction-controller" },
    "validatingadmissionpolicy-status": { create: createValidatingAdmissionPolicyStatus },
    "volumeattributesclass-protection": { create: createVACProtection },
  };
}
