import { compareQuantities, quantityOf } from "../meta/quantity.ts";
import type { Container, ContainerPort, EnvVar, LifecycleHandler, Pod, PodSpec, Probe, Volume } from "../types/core.v1.ts";

/** Every container of a pod: init, main, and the ephemeral ones with the fields that they share. */
export function allContainers(spec: PodSpec): Container[] {
  return [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])];
}

/** Fills in what a Pod does not say: the defaults of its spec, and those that templates do not get. */
export function defaultPod(pod: Pod): void {
  const { spec } = pod;
  for (const container of [...(spec.containers ?? []), ...(spec.initContainers ?? [])]) requestFromLimits(container);
  spec.enableServiceLinks ??= true;
  if (spec.hostNetwork) for (const container of allContainers(spec)) for (const port of container.ports ?? []) hostPortFromPort(port);
  if (spec.resources) requestFromLimits(spec);
  defaultPodSpec(spec);
}

/** Fills in what the spec of a Pod or pod template does not say. */
export function defaultPodSpec(spec: PodSpec): void {
  spec.restartPolicy ||= "Always";
  spec.terminationGracePeriodSeconds ??= 30;
  spec.dnsPolicy ||= "ClusterFirst";
  spec.securityContext ??= {};
  spec.schedulerName ||= "default-scheduler";
  if (spec.serviceAccountName || spec.serviceAccount) {
    spec.serviceAccountName ||= spec.serviceAccount;
    spec.serviceAccount = spec.serviceAccountName;
  }
  for (const container of allContainers(spec)) defaultContainer(container);
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
}

/** Fills in what a container does not say. */
export function defaultContainer(container: Container): void {
  container.terminationMessagePath ||= "/dev/termination-log";
  container.terminationMessagePolicy ||= "File";
  container.imagePullPolicy ||= pullPolicyOf(container.image ?? "");
  container.resources ??= {};
  for (const port of container.ports ?? []) port.protocol ||= "TCP";
  for (const variable of container.env ?? []) defaultVariable(variable);
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) if (probe) defaultProbe(probe);
  for (const handler of [container.lifecycle?.postStart, container.lifecycle?.preStop]) if (handler) defaultHandler(handler);
}

const domain = /(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(?::\d+)?\//;
const component = /[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*/;
const imageReference = new RegExp(`^(?:${domain.source})?(${component.source}(?:/${component.source})*)(?::\\w[\\w.-]{0,127})?$`);

/** "Always" for an image without tag or with the tag "latest", "IfNotPresent" for any other tag, a digest, or what is no image's name. */
export function pullPolicyOf(image: string): "Always" | "IfNotPresent" {
  if (image.includes("@") || (imageReference.exec(image)?.[1]?.length ?? 256) > 255) return "IfNotPresent";
  const tag = /:([^:/]+)$/.exec(image)?.[1];
  return tag === undefined || tag === "latest" ? "Always" : "IfNotPresent";
}

function requestFromLimits(container: Pick<Container, "resources">): void {
  const limits = container.resources?.limits;
  if (!container.resources || !limits) return;
  for (const [name, limit] of Object.entries(limits)) {
    const requests = (container.resources.requests ??= {});
    requests[name] ??= limit;
  }
}

function hostPortFromPort(port: ContainerPort): void {
  port.hostPort ||= port.containerPort;
}

function defaultVariable(variable: EnvVar): void {
  const { fieldRef, resourceFieldRef, fileKeyRef } = variable.valueFrom ?? {};
  if (fieldRef) fieldRef.apiVersion ||= "v1";
  if (resourceFieldRef) resourceFieldRef.divisor ||= "0";
  if (fileKeyRef) fileKeyRef.optional ??= false;
}

function defaultProbe(probe: Probe): void {
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  if (probe.grpc) probe.grpc.service ??= "";
  defaultHandler(probe);
}

function defaultHandler({ httpGet }: LifecycleHandler): void {
  if (!httpGet) return;
  httpGet.path ||= "/";
  httpGet.scheme ||= "HTTP";
}

const filesMode = 0o644;

function defaultVolume(volume: Volume): void {
  if (Object.keys(volume).every((key) => key === "name" || volume[key as keyof Volume] === undefined)) volume.emptyDir = {};
  for (const source of [volume.configMap, volume.secret, volume.downwardAPI, volume.projected])
    if (source) source.defaultMode ??= filesMode;
  const items = [...(volume.downwardAPI?.items ?? []), ...(volume.projected?.sources ?? []).flatMap((s) => s.downwardAPI?.items ?? [])];
  for (const { fieldRef, resourceFieldRef } of items) {
    if (fieldRef) fieldRef.apiVersion ||= "v1";
    if (resourceFieldRef) resourceFieldRef.divisor ||= "0";
  }
  for (const { serviceAccountToken } of volume.projected?.sources ?? [])
    if (serviceAccountToken) serviceAccountToken.expirationSeconds ??= 3600;
  if (volume.hostPath) volume.hostPath.type ??= "";
  if (volume.azureDisk) volume.azureDisk.readOnly ??= false;
  if (volume.ephemeral?.volumeClaimTemplate) {
    volume.ephemeral.volumeClaimTemplate.metadata ??= {};
    if (volume.ephemeral.volumeClaimTemplate.spec) volume.ephemeral.volumeClaimTemplate.spec.volumeMode ||= "Filesystem";
  }
  if (volume.image) volume.image.pullPolicy ||= pullPolicyOf(volume.image.reference ?? "");
}

/** The service class of a pod: Guaranteed when every container's limits equal its requests of CPU and memory, BestEffort when nothing is asked for. */
export function qosClassOf(spec: PodSpec): "Guaranteed" | "Burstable" | "BestEffort" {
  const containers = spec.resources ? [{ resources: spec.resources }] : [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  let asked = false;
  let guaranteed = true;
  for (const { resources } of containers) {
    for (const name of ["cpu", "memory"]) {
      const request = nonZero(resources?.requests?.[name]);
      const limit = nonZero(resources?.limits?.[name]);
      if (request !== undefined || limit !== undefined) asked = true;
      if (limit === undefined || (request !== undefined && compareQuantities(request, limit) !== 0)) guaranteed = false;
    }
  }
  if (!asked) return "BestEffort";
  return guaranteed ? "Guaranteed" : "Burstable";
}

function nonZero(quantity: string | undefined): string | undefined {
  return quantity === undefined || compareQuantities(quantity, quantityOf(0)) === 0 ? undefined : quantity;
}

/** A pod template is filled in as a Pod is, less what only a Pod gets. */
export function defaultTemplate(template: { spec?: PodSpec } | undefined): void {
  if (template?.spec) defaultPodSpec(template.spec);
}
