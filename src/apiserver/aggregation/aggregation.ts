import { isReason } from "../../api/errors.ts";
import { setCondition } from "../../api/meta/conditions.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import { formatTime } from "../../api/meta/time.ts";
import type { APIService } from "../../api/types/apiregistration.v1.ts";
import { SecureAgents } from "../backends/secure-agents.ts";
import type { ConnectHandler } from "../http/listener.ts";
import { copyOf, typed } from "../plain-data.ts";
import { systemUser } from "../subresources/eviction.ts";
import { changeObject } from "../verbs/change.ts";
import { Availability, type Finding } from "./availability.ts";
import type { ExtensionParts } from "./extension-connection.ts";
import { serveExtension } from "./extension-proxy.ts";
import { type LocalApiServiceParts, registerLocalApiServices } from "./local-api-services.ts";

/** What aggregation needs of the server. */
export interface AggregationParts extends LocalApiServiceParts {
  proxyClient: ExtensionParts["proxyClient"];
  random: () => number;
}

/** The aggregation layer: group versions that other servers serve (KEP-less, see "Kubernetes API Aggregation Layer"). */
export interface Aggregation {
  /** Who serves that path, when another server does: "/apis/GROUP/VERSION/..." and its OpenAPI document. */
  handler(path: string): ConnectHandler | undefined;
  close(): void;
}

/** Follows the APIServices: what they say is proxied, shown in discovery, and looked after. */
export function createAggregation(parts: AggregationParts): Aggregation {
  const { context, registry, objects, log } = parts;
  const agents = new SecureAgents();
  const extension: ExtensionParts = { objects, agents, proxyClient: parts.proxyClient, random: parts.random };
  const services = new Map<string, APIService>();
  const found = (service: APIService, finding: Finding | undefined): void => {
    const groupVersion = `${service.spec.group}/${service.spec.version}`;
    if (!finding) {
      services.delete(groupVersion);
      registry.setRemote(groupVersion, undefined);
      return;
    }
    services.set(groupVersion, service);
    const before = registry.remote(groupVersion);
    const resources = finding.resources ?? before?.resources ?? [];
    registry.setRemote(groupVersion, { resources, fresh: finding.available, openapi: finding.openapi ?? before?.openapi });
    writeStatus(parts, service.metadata.name, finding).catch((error: unknown) => {
      if (!isReason(error, "NotFound"))
        log.warn({ apiService: service.metadata.name, error: String(error) }, "its status could not be written");
    });
  };
  const availability = new Availability({ ...extension, clock: context.clock }, found);
  const stopLocal = registerLocalApiServices(parts);
  return {
    handler(path) {
      if (services.size === 0) return undefined;
      const [, group, version] = /^(?:\/openapi\/v3)?\/apis\/([^/]+)\/([^/]+)(?:\/|$)/.exec(path) ?? [];
      const service = services.get(`${group}/${version}`);
      return service && ((connect) => serveExtension(extension, service, connect));
    },
    close() {
      availability.close();
      stopLocal();
      agents.close();
    },
  };
}

async function writeStatus({ context, registry }: AggregationParts, name: string, finding: Finding): Promise<void> {
  const handler = registry.get("apiregistration.k8s.io/v1", "apiservices");
  const call = { handler, namespace: "", name, subresource: "status", user: systemUser, dryRun: false, warn: () => {} };
  const { available, reason, message } = finding;
  await changeObject(context, call, {
    next(old) {
      const service = typed<APIService>(copyOf<KubeObject>(old));
      const condition = { type: "Available", status: available ? "True" : "False", reason, message };
      const conditions = setCondition(service.status?.conditions, condition, formatTime(context.clock.now()));
      service.status = { ...service.status, conditions: [...conditions] };
      return service;
    },
    finish: () => {},
    validate: () => [],
  });
}
