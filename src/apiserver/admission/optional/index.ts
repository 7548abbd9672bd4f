import type { Clock } from "../../../lib/clock.ts";
import type { Logger } from "../../../lib/log.ts";
import type { AdmissionPlugin } from "../admission.ts";
import type { AdmissionOptions } from "../index.ts";
import { alwaysAdmit, alwaysDeny } from "./always.ts";
import { alwaysPullImages } from "./always-pull-images.ts";
import { denyServiceExternalIPs } from "./deny-service-external-ips.ts";
import { eventRateLimit } from "./event-rate-limit.ts";
import { extendedResourceToleration } from "./extended-resource-toleration.ts";
import { imagePolicyWebhook } from "./image-policy-webhook.ts";
import { limitPodHardAntiAffinityTopology } from "./limit-pod-hard-anti-affinity-topology.ts";
import { namespaceAutoProvision, namespaceExists } from "./namespaces.ts";
import { ownerReferencesPermissionEnforcement } from "./owner-references-permission-enforcement.ts";
import { podNodeSelector } from "./pod-node-selector.ts";
import { podTolerationRestriction } from "./pod-toleration-restriction.ts";

/** A plugin's part of an AdmissionConfiguration, and where the paths in it begin. */
export interface PluginConfiguration {
  value: unknown;
  folder: string;
}

/** A plugin that is made once the API server's other parts are there. */
export type MakePlugin = (options: AdmissionOptions) => AdmissionPlugin;

/** Reads the plugin's configuration. Rejects with an Error that says what is wrong with it. `closing` gathers what ends with the server. */
export async function optionalPlugin(
  name: string,
  configuration: PluginConfiguration | undefined,
  { clock, log, closing }: { clock: Clock; log: Logger; closing: (() => void)[] },
): Promise<MakePlugin> {
  const value = configuration?.value;
  switch (name) {
    case "AlwaysAdmit":
      return () => alwaysAdmit;
    case "AlwaysDeny":
      return () => alwaysDeny;
    case "AlwaysPullImages":
      return () => alwaysPullImages;
    case "DenyServiceExternalIPs":
      return () => denyServiceExternalIPs;
    case "ExtendedResourceToleration":
      return () => extendedResourceToleration;
    case "LimitPodHardAntiAffinityTopology":
      return () => limitPodHardAntiAffinityTopology;
    case "NamespaceExists":
      return ({ objects }) => namespaceExists(objects);
    case "NamespaceAutoProvision":
      return ({ objects, createNamespace = async () => {} }) => namespaceAutoProvision(objects, createNamespace);
    case "OwnerReferencesPermissionEnforcement":
      return ownerReferencesPermissionEnforcement;
    case "PodNodeSelector":
      return ({ objects }) => podNodeSelector(objects, value);
    case "PodTolerationRestriction":
      return ({ objects }) => podTolerationRestriction(objects, value);
    case "EventRateLimit": {
      const plugin = eventRateLimit(clock, value);
      return () => plugin;
    }
    case "ImagePolicyWebhook": {
      const { plugin, close } = await imagePolicyWebhook(value, { folder: configuration?.folder ?? "", clock, log });
      closing.push(close);
      return () => plugin;
    }
    default:
      throw new Error(`plugin ${name} is not optional`);
  }
}
