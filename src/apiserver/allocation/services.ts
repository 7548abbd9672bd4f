import { badRequest, type FieldError, internalError, invalid } from "../../api/errors.ts";
import { hasNodePorts, needsHealthPort } from "../../api/core/service.ts";
import { validateClusterIPs } from "../../api/core/service-addresses.ts";
import { Services } from "../../api/types/resources.ts";
import type { Service, ServicePort, ServiceSpec } from "../../api/types/core.v1.ts";
import type { Objects } from "../objects.ts";
import { typed } from "../plain-data.ts";
import type { ResourceHooks } from "../resource-handler.ts";
import { formatIPv4, parseIPv4, usableAddresses } from "./ipv4.ts";
import { NumberPool, staticAddressBand, staticPortBand } from "./number-pool.ts";

/** A range of ports, both ends included. */
export interface PortRange {
  first: number;
  last: number;
}

/** The node ports of a cluster that is told nothing else. */
export const defaultNodePorts: PortRange = { first: 30000, last: 32767 };

/** What one Service holds of the cluster's addresses and ports. */
interface Holding {
  address: number | undefined;
  ports: Set<number>;
}

/** What is taken while one write is on its way. */
interface Claim {
  owner: string;
  name: string;
  /** A dry run does not ask whether the address is somebody else's, as upstream's does not. */
  dryRun: boolean;
  /** A Service that is made: only there upstream refuses one number for two ports, unless these differ in nothing but the protocol. */
  isNew: boolean;
  taken: { pool: NumberPool; number: number }[];
}

/**
 * Gives Services their cluster addresses and node ports, each to one Service only, and takes them back when a Service is gone or no
 * longer uses them. Nothing is stored but the Services themselves: what is taken is read from them.
 */
export class ServiceAllocation implements ResourceHooks {
  private readonly addresses: NumberPool;
  private readonly ports: NumberPool;
  private readonly nodePorts: PortRange;
  private readonly stop: () => void;

  constructor(objects: Objects, { serviceCIDR, nodePorts }: { serviceCIDR: string; nodePorts: PortRange }, random: () => number) {
    const range = usableAddresses(serviceCIDR);
    this.nodePorts = nodePorts;
    this.addresses = new NumberPool({ ...range, staticBand: staticAddressBand(range.last - range.first + 1) }, random);
    this.ports = new NumberPool({ ...nodePorts, staticBand: staticPortBand(nodePorts.last - nodePorts.first + 1) }, random);
    this.stop = objects.onChange(Services, (now, old) => this.committed(now, old));
  }

  close(): void {
    this.stop();
  }

  /** Completes the addresses, families and ports of a new or changed Service. Throws invalid when what it asks for is not free. */
  allocate: ResourceHooks["allocate"] = (object, old, call) => {
    const service = typed<Service>(object);
    const before = old && typed<Service>(old);
    const claim: Claim = {
      owner: ownerOf(service),
      name: service.metadata.name ?? "",
      dryRun: call?.dryRun === true,
      isNew: !before,
      taken: [],
    };
    const undo = (): void => {
      for (const { pool, number } of claim.taken) pool.release(number, claim.owner);
    };
    try {
      this.complete((service.spec ??= {}), before?.spec, claim);
      return undo;
    } catch (error) {
      undo();
      throw error;
    }
  };

  private complete(spec: ServiceSpec, old: ServiceSpec | undefined, claim: Claim): void {
    if (spec.type === "ExternalName") {
      for (const member of ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] as const)
        delete spec[member];
    } else {
      const wrong = validateClusterIPs(spec);
      if (wrong.length > 0) throw invalid({ kind: "Service", name: claim.name }, wrong);
      this.giveFamilies(spec, claim);
      this.giveAddress(spec, claim);
    }
    this.givePorts(spec, old, claim);
  }

  private giveFamilies(spec: ServiceSpec, claim: Claim): void {
    const refuse = (field: string, message: string): Error =>
      invalid({ kind: "Service", name: claim.name }, [{ reason: "FieldValueInvalid", field, message: `Invalid value: ${message}` }]);
    const headless = isHeadless(spec);
    const anyFamily = headless && !spec.selector;
    if (spec.ipFamilyPolicy === "RequireDualStack" && !anyFamily)
      throw refuse("spec.ipFamilyPolicy", '"RequireDualStack": this cluster is not configured for dual-stack services');
    const other = spec.ipFamilies?.findIndex((family) => family !== "IPv4") ?? -1;
    if (other >= 0 && !anyFamily)
      throw refuse(`spec.ipFamilies[${other}]`, `${JSON.stringify(spec.ipFamilies?.[other])}: not configured on this cluster`);
    if (anyFamily && !spec.ipFamilyPolicy && !spec.ipFamilies?.length) {
      spec.ipFamilyPolicy = "RequireDualStack";
      spec.ipFamilies = ["IPv4", "IPv6"];
    }
    spec.ipFamilyPolicy ??= "SingleStack";
    if (!spec.ipFamilies?.length) spec.ipFamilies = ["IPv4"];
  }

  private giveAddress(spec: ServiceSpec, claim: Claim): void {
    const asked = spec.clusterIP || spec.clusterIPs?.[0];
    if (asked && asked !== "None" && parseIPv4(asked) === undefined) return;
    if (asked === "None") {
      spec.clusterIP = "None";
      spec.clusterIPs ??= ["None"];
      return;
    }
    if (!asked) {
      const number = this.addresses.takeAny(claim.owner);
      if (number === undefined) throw internalError("failed to allocate a serviceIP: range is full");
      claim.taken.push({ pool: this.addresses, number });
      spec.clusterIP = formatIPv4(number);
      spec.clusterIPs = [spec.clusterIP];
      return;
    }
    const number = parseIPv4(asked) ?? 0;
    spec.clusterIP ||= asked;
    spec.clusterIPs ??= [asked];
    const refuse = (why: string): Error => {
      const message = `Invalid value: ${JSON.stringify(spec.clusterIPs)}: failed to allocate IP ${asked}: ${why}`;
      return invalid({ kind: "Service", name: claim.name }, [{ reason: "FieldValueInvalid", field: "spec.clusterIPs", message }]);
    };
    if (!this.addresses.has(number)) throw refuse("the provided network does not match the current range");
    if (claim.dryRun || this.addresses.ownerOf(number) === claim.owner) return;
    if (!this.addresses.take(number, claim.owner)) throw refuse("provided IP is already allocated");
    claim.taken.push({ pool: this.addresses, number });
  }

  private givePorts(spec: ServiceSpec, old: ServiceSpec | undefined, claim: Claim): void {
    if (needsNodePorts(spec)) {
      const mine = new Map<number, string[]>();
      for (const [index, port] of (spec.ports ?? []).entries()) this.giveNodePort(spec, port, index, mine, claim);
    } else if (!hasNodePorts(spec.type)) for (const port of spec.ports ?? []) forgetNodePort(port, old);
    if (needsHealthPort(spec)) this.giveHealthCheckPort(spec, claim);
    else if (old && needsHealthPort(old)) delete spec.healthCheckNodePort;
  }

  /** Ports of one Service with different protocols may share a number: those with the same port do. */
  private giveNodePort(spec: ServiceSpec, port: ServicePort, index: number, mine: Map<number, string[]>, claim: Claim): void {
    const protocol = port.protocol ?? "TCP";
    const refuse = (why: string): Error => {
      const error: FieldError = {
        reason: "FieldValueInvalid",
        field: `spec.ports[${index}].nodePort`,
        message: `Invalid value: ${port.nodePort}: ${why}`,
      };
      return invalid({ kind: "Service", name: claim.name }, [error]);
    };
    if (!port.nodePort) {
      const twin = spec.ports?.find(
        (other) => other !== port && other.port === port.port && other.nodePort && !mine.get(other.nodePort)?.includes(protocol),
      );
      port.nodePort = twin?.nodePort ?? this.anyPort(claim);
    } else if (!this.ports.has(port.nodePort)) {
      throw refuse(`provided port is not in the valid range. The range of valid ports is ${this.nodePorts.first}-${this.nodePorts.last}`);
    } else if (claim.isNew && spec.ports?.slice(0, index).some((other) => other.nodePort === port.nodePort && other.port !== port.port)) {
      throw refuse("provided port is already allocated");
    } else if (this.ports.ownerOf(port.nodePort) !== claim.owner) {
      if (!this.ports.take(port.nodePort, claim.owner)) throw refuse("provided port is already allocated");
      claim.taken.push({ pool: this.ports, number: port.nodePort });
    }
    mine.set(port.nodePort, [...(mine.get(port.nodePort) ?? []), protocol]);
  }

  private giveHealthCheckPort(spec: ServiceSpec, claim: Claim): void {
    const asked = spec.healthCheckNodePort;
    if (!asked) {
      spec.healthCheckNodePort = this.anyPort(claim);
      return;
    }
    if (this.ports.ownerOf(asked) === claim.owner) return;
    const failed = `failed to allocate requested HealthCheck NodePort ${asked}`;
    if (!this.ports.has(asked))
      throw badRequest(
        `${failed}: provided port is not in the valid range. The range of valid ports is ${this.nodePorts.first}-${this.nodePorts.last}`,
      );
    if (!this.ports.take(asked, claim.owner)) throw badRequest(`${failed}: provided port is already allocated`);
    claim.taken.push({ pool: this.ports, number: asked });
  }

  private anyPort(claim: Claim): number {
    const number = this.ports.takeAny(claim.owner);
    if (number === undefined) throw internalError("failed to allocate a nodePort: range is full");
    claim.taken.push({ pool: this.ports, number });
    return number;
  }

  /** Follows what is committed: the Services are the truth, also for those that were there at the start. */
  private committed(now: Service | undefined, old: Service | undefined): void {
    const held = holdingOf(now);
    const before = holdingOf(old);
    const owner = ownerOf(now ?? old);
    if (before.address !== undefined && before.address !== held.address) this.addresses.release(before.address, owner);
    for (const port of before.ports) if (!held.ports.has(port)) this.ports.release(port, owner);
    if (held.address !== undefined) this.addresses.take(held.address, owner);
    for (const port of held.ports) this.ports.take(port, owner);
  }
}

function ownerOf(service: Service | undefined): string {
  return `${service?.metadata.namespace}/${service?.metadata.name}`;
}

function holdingOf(service: Service | undefined): Holding {
  const spec = service?.spec;
  const ports = new Set<number>();
  for (const { nodePort } of spec?.ports ?? []) if (nodePort) ports.add(nodePort);
  if (spec?.healthCheckNodePort) ports.add(spec.healthCheckNodePort);
  return { address: spec?.clusterIP ? parseIPv4(spec.clusterIP) : undefined, ports };
}

/** A type without node ports forgets those that it had before; one that the client asks for anew is left for validation to refuse. */
function forgetNodePort(port: ServicePort, old: ServiceSpec | undefined): void {
  if (old?.ports?.some(({ nodePort }) => nodePort === port.nodePort)) delete port.nodePort;
}

function isHeadless(spec: ServiceSpec): boolean {
  return spec.clusterIP === "None" || spec.clusterIPs?.[0] === "None";
}

function needsNodePorts(spec: ServiceSpec): boolean {
  return spec.type === "NodePort" || (spec.type === "LoadBalancer" && spec.allocateLoadBalancerNodePorts !== false);
}
