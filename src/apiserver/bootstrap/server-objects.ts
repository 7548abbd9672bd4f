import type { KubeObject } from "../../api/meta/object.ts";
import { ingressControllerName } from "../../api/networking/ingress-controller.ts";
import type { EndpointSlice } from "../../api/types/discovery.v1.ts";
import {
  ConfigMaps,
  Endpoints,
  EndpointSlices,
  IngressClasses,
  ServiceCIDRs,
  Services,
  StorageClasses,
} from "../../api/types/resources.ts";
import { includes, type Wanted } from "./writer.ts";

/** Where and how the API server is reached, and what others need to trust it. */
export interface ServerFacts {
  /** The address that pods reach the server at, behind the kubernetes Service. */
  address: string;
  port: number;
  /** "10.43.0.0/16"; its first address is the kubernetes Service's. */
  serviceCIDR: string;
  serviceAddress: string;
  /** The authority of client certificates, PEM. */
  clientAuthorities: string;
  /** The authority of front proxies' certificates, PEM, and the names believed. */
  requestHeader: { authorities: string; allowedNames: readonly string[] };
  /** The URL that joining nodes are told, and the authority of the server's certificate, PEM. */
  url: string;
  serverAuthorities: string;
  /** Whether the built-in provisioner's class is made, as the default one. */
  localPath: boolean;
  /** Whether the built-in Ingress controller's class is made, as the default one. */
  ingress: boolean;
}

const serverPort = (port: number) => ({ name: "https", port, protocol: "TCP" as const });
const isIpv6 = (address: string): boolean => address.includes(":");

/** The objects that tell the cluster about its API server: kept at its address and authorities at each start. */
export function serverObjects(facts: ServerFacts): Wanted[] {
  // A loopback address means another machine in each pod, and endpoints may not have one.
  const reachable = !/^127\.|^::1$/.test(facts.address);
  const endpoints = reachable ? [kubernetesEndpoints(facts), kubernetesSlice(facts)] : [];
  return [kubernetesService(facts), ...endpoints, extensionAuthentication(facts), clusterInfo(facts)];
}

/** The cluster's range of Service addresses; has to be there before the first Service. */
export function serviceCIDR(facts: ServerFacts): Wanted {
  return {
    resource: ServiceCIDRs,
    object: {
      apiVersion: "networking.k8s.io/v1",
      kind: "ServiceCIDR",
      metadata: { name: "kubernetes" },
      ...{ spec: { cidrs: [facts.serviceCIDR] } },
    },
  };
}

/** The class of the built-in provisioner. Made once: who removes its default annotation has it their way. */
export function storageClass(): Wanted {
  const metadata = { name: "local-path", annotations: { "storageclass.kubernetes.io/is-default-class": "true" } };
  const fields = { provisioner: "rancher.io/local-path", reclaimPolicy: "Delete", volumeBindingMode: "WaitForFirstConsumer" };
  return { resource: StorageClasses, object: { apiVersion: "storage.k8s.io/v1", kind: "StorageClass", metadata, ...fields } };
}

/** The class of the built-in Ingress controller. Made once, as the storage class. */
export function ingressClass(): Wanted {
  const metadata = { name: "hue", annotations: { "ingressclass.kubernetes.io/is-default-class": "true" } };
  const spec = { controller: ingressControllerName };
  return { resource: IngressClasses, object: { apiVersion: "networking.k8s.io/v1", kind: "IngressClass", metadata, ...{ spec } } };
}

/** Replaces the fields and adds the labels when what is there does not have them already. */
function replacing(resource: Wanted["resource"], object: KubeObject, fields: object): Wanted {
  const { labels } = object.metadata;
  return {
    resource,
    object: { ...object, ...fields },
    merge(current) {
      if (includes(current, { ...fields, ...(labels ? { metadata: { labels } } : {}) })) return undefined;
      const next = { ...structuredClone(current), ...fields };
      if (labels) next.metadata.labels = { ...next.metadata.labels, ...labels };
      return next;
    },
  };
}

function kubernetesService({ serviceAddress, port }: ServerFacts): Wanted {
  const labels = { component: "apiserver", provider: "kubernetes" };
  const object = { apiVersion: "v1", kind: "Service", metadata: { name: "kubernetes", namespace: "default", labels } };
  const ports = [{ ...serverPort(443), targetPort: port }];
  const spec = { type: "ClusterIP", clusterIP: serviceAddress, clusterIPs: [serviceAddress], sessionAffinity: "None", ports };
  return {
    resource: Services,
    object: { ...object, ...{ spec } },
    // A Service's address stays as it is; its port follows the server's.
    merge: (current) => {
      const { spec: own } = current as KubeObject & { spec?: object };
      return includes(own, { ports })
        ? undefined
        : ({ ...structuredClone(current), spec: { ...structuredClone(own), ports } } as KubeObject);
    },
  };
}

function kubernetesEndpoints({ address, port }: ServerFacts): Wanted {
  const labels = { "endpointslice.kubernetes.io/skip-mirror": "true" };
  const object = { apiVersion: "v1", kind: "Endpoints", metadata: { name: "kubernetes", namespace: "default", labels } };
  return replacing(Endpoints, object, { subsets: [{ addresses: [{ ip: address }], ports: [serverPort(port)] }] });
}

function kubernetesSlice({ address, port }: ServerFacts): Wanted {
  const labels = { "kubernetes.io/service-name": "kubernetes" };
  const object = {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "kubernetes", namespace: "default", labels },
  };
  const fields: Pick<EndpointSlice, "addressType" | "endpoints" | "ports"> = {
    addressType: isIpv6(address) ? "IPv6" : "IPv4",
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: [serverPort(port)],
  };
  return replacing(EndpointSlices, object, fields);
}

/** What extension API servers (the aggregation layer's backends) read to authenticate as this server does. */
function extensionAuthentication({ clientAuthorities, requestHeader }: ServerFacts): Wanted {
  const metadata = { name: "extension-apiserver-authentication", namespace: "kube-system" };
  const data = {
    "client-ca-file": clientAuthorities,
    "requestheader-allowed-names": JSON.stringify(requestHeader.allowedNames),
    "requestheader-client-ca-file": requestHeader.authorities,
    "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
    "requestheader-group-headers": '["X-Remote-Group"]',
    "requestheader-uid-headers": '["X-Remote-Uid"]',
    "requestheader-username-headers": '["X-Remote-User"]',
  };
  return replacing(ConfigMaps, { apiVersion: "v1", kind: "ConfigMap", metadata }, { data });
}

/** What a joining node may read before it trusts anybody; the token's signature is added by a controller. */
function clusterInfo({ url, serverAuthorities }: ServerFacts): Wanted {
  const authority = Buffer.from(serverAuthorities).toString("base64");
  const cluster = { name: "", cluster: { "certificate-authority-data": authority, server: url } };
  const kubeconfig = JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [cluster],
    contexts: [],
    users: [],
    "current-context": "",
  });
  const metadata = { name: "cluster-info", namespace: "kube-public" };
  const wanted = replacing(ConfigMaps, { apiVersion: "v1", kind: "ConfigMap", metadata }, { data: { kubeconfig } });
  return {
    ...wanted,
    merge: (current) => {
      const { data } = current as KubeObject & { data?: Record<string, string> };
      return data?.["kubeconfig"] === kubeconfig
        ? undefined
        : ({ ...structuredClone(current), data: { ...data, kubeconfig } } as KubeObject);
    },
  };
}
