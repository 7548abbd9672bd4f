import { deepEqual } from "../../api/meta/equality.ts";
import type { ResourceInfo } from "../../api/resource.ts";
import type { APIService } from "../../api/types/apiregistration.v1.ts";
import { APIServices, EndpointSlices, Services } from "../../api/types/resources.ts";
import type { Clock } from "../../lib/clock.ts";
import { networkError } from "../backends/network-error.ts";
import { readyEndpoints, servicePortName } from "../backends/service-endpoint.ts";
import { askExtension, type ExtensionParts } from "./extension-connection.ts";
import { openApiAddress, remoteResources } from "./remote-discovery.ts";

/** What was found out about an extension server. */
export interface Finding {
  available: boolean;
  reason: string;
  message: string;
  /** Its resources, when it told them. */
  resources?: ResourceInfo[];
  /** Where its OpenAPI document lies. */
  openapi?: string | undefined;
}

/** Milliseconds: how often a server that answers is asked again, and one that does not, at first. */
const period = 30_000;
const firstRetry = 1_000;
const patience = 5_000;

/** One extension server under observation. */
interface Observed {
  service: APIService;
  failures: number;
  checking: boolean;
  /** Something changed while it was being asked. */
  again: boolean;
  cancel?: () => void;
}

/** Follows APIServices that stand for extension servers, and finds out which of them answer. Without any, it does nothing. */
export class Availability {
  private readonly parts: ExtensionParts & { clock: Clock };
  private readonly found: (service: APIService, finding: Finding | undefined) => void;
  private readonly observed = new Map<string, Observed>();
  private readonly stops: (() => void)[];

  /** `found` hears the outcome of each look, and undefined for a server that is no more. */
  constructor(parts: ExtensionParts & { clock: Clock }, found: (service: APIService, finding: Finding | undefined) => void) {
    this.parts = parts;
    this.found = found;
    const { objects } = parts;
    this.stops = [
      objects.onChange(APIServices, (now, old) => this.changed(now, old)),
      objects.onChange(Services, (now, old) => this.wake((now ?? old)?.metadata.namespace, (now ?? old)?.metadata.name)),
      objects.onChange(EndpointSlices, (now, old) => {
        const { namespace, labels } = (now ?? old)?.metadata ?? {};
        this.wake(namespace, labels?.["kubernetes.io/service-name"]);
      }),
    ];
  }

  close(): void {
    for (const stop of this.stops) stop();
    for (const { cancel } of this.observed.values()) cancel?.();
    this.observed.clear();
  }

  private changed(now: APIService | undefined, old: APIService | undefined): void {
    const name = (now ?? old)?.metadata.name ?? "";
    const known = this.observed.get(name);
    if (!now?.spec.service) {
      if (!known) return;
      known.cancel?.();
      this.observed.delete(name);
      this.found(known.service, undefined);
    } else if (!known) {
      this.observed.set(name, { service: now, failures: 0, checking: false, again: false });
      this.look(name);
    } else {
      const same = deepEqual(known.service.spec, now.spec);
      known.service = now;
      if (!same) this.look(name);
    }
  }

  private wake(namespace: string | undefined, name: string | undefined): void {
    for (const [key, { service }] of this.observed)
      if (service.spec.service?.name === name && service.spec.service?.namespace === namespace) this.look(key);
  }

  private look(name: string): void {
    const observed = this.observed.get(name);
    if (!observed) return;
    observed.cancel?.();
    if (observed.checking) observed.again = true;
    else void this.check(name, observed);
  }

  /** Never rejects: a failure is what it finds. */
  private async check(name: string, observed: Observed): Promise<void> {
    observed.checking = true;
    observed.again = false;
    const { service } = observed;
    const finding = await examine(this.parts, service);
    observed.checking = false;
    if (this.observed.get(name) !== observed) return;
    observed.failures = finding.available ? 0 : observed.failures + 1;
    this.found(service, finding);
    const wait = finding.available ? period : Math.min(firstRetry * 2 ** (observed.failures - 1), period);
    if (observed.again) this.look(name);
    else observed.cancel = this.parts.clock.after(wait, () => this.look(name));
  }
}

/** Whether the extension server answers, in the words of the condition Available. */
export async function examine(parts: ExtensionParts, service: APIService): Promise<Finding> {
  const { group = "", version = "" } = service.spec;
  const missing = missingBackend(parts, service);
  if (missing) return { available: false, ...missing };
  const failed = (why: string): Finding => ({ available: false, reason: "FailedDiscoveryCheck", message: why });
  const path = `/apis/${group}/${version}`;
  try {
    const { code, body, url } = await askExtension(parts, service, path, patience);
    if (code < 200 || code >= 300) return failed(`failing or missing response from ${url}: bad status from ${url}: ${code}`);
    const index = await askExtension(parts, service, "/openapi/v3", patience).catch(() => undefined);
    const openapi = index?.code === 200 ? openApiAddress(group, version, index.body) : undefined;
    return { available: true, reason: "Passed", message: "all checks passed", resources: remoteResources(group, version, body), openapi };
  } catch (error) {
    const { name = "", namespace = "", port = 443 } = service.spec.service ?? {};
    const url = `https://${name}.${namespace}.svc:${port}${path}`;
    return failed(`failing or missing response from ${url}: Get ${JSON.stringify(url)}: ${networkError(error)}`);
  }
}

function missingBackend({ objects }: ExtensionParts, { spec }: APIService): { reason: string; message: string } | undefined {
  const { name = "", namespace = "", port = 443 } = spec.service ?? {};
  const what = `service/${name} in ${JSON.stringify(namespace)}`;
  const service = objects.get(Services, namespace, name);
  if (!service) return { reason: "ServiceNotFound", message: `${what} is not present` };
  if (service.spec?.type === "ExternalName") return undefined;
  const portName = servicePortName(service, port);
  if (portName === undefined) return { reason: "ServicePortError", message: `${what} is not listening on port ${port}` };
  if (readyEndpoints(objects, { namespace, name, portName }).length > 0) return undefined;
  const message = `endpoints for ${what} have no addresses with port name ${JSON.stringify(portName)}`;
  return { reason: "MissingEndpoints", message };
}
