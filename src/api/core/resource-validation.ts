import type { FieldError } from "../errors.ts";
import * as fault from "../meta/field-errors.ts";
import { checkQualifiedName } from "../meta/names.ts";
import { approximateValue, compareQuantities, isQuantity, quantityOf, value } from "../meta/quantity.ts";
import { ownMember } from "../schema/struct.ts";
import type { ResourceRequirements } from "../types/core.v1.ts";

const containerResources = new Set(["cpu", "memory", "ephemeral-storage"]);

const standard = new Set(
  `storage cpu memory ephemeral-storage requests.cpu requests.memory requests.storage requests.ephemeral-storage limits.cpu
  limits.memory limits.ephemeral-storage pods resourcequotas services services.nodeports services.loadbalancers
  replicationcontrollers secrets configmaps persistentvolumeclaims`.split(/\s+/),
);
/** Whether the name is one that Kubernetes counts or limits. */
export function isStandardResource(name: string): boolean {
  return standard.has(name) || name.startsWith("hugepages-") || name.startsWith("requests.hugepages-");
}

/** What is wrong with the name of any resource. */
export function validateResourceName(field: string, name: string): FieldError[] {
  const errors = fault.checked(field, name, checkQualifiedName);
  if (errors.length > 0 || name.includes("/") || isStandardResource(name)) return errors;
  return [fault.invalid(field, name, "must be a standard resource type or fully qualified")];
}

/** Whether limits of the resource may exceed requests: native ones, huge pages left out. */
export function isOvercommitAllowed(name: string): boolean {
  return isNative(name) && !name.startsWith("hugepages-");
}

/** Whether the name belongs to Kubernetes itself. */
export function isNative(name: string): boolean {
  return !name.includes("/") || name.includes("kubernetes.io/");
}

/** Whether the name is one that a device plugin or administrator made: "nvidia.com/gpu". */
export function isExtended(name: string): boolean {
  return !isNative(name) && !name.startsWith("requests.") && checkQualifiedName(`requests.${name}`).length === 0;
}

/** What is wrong with the requests and limits of a container or, with `podLevel`, a pod. */
export function validateResources(field: string, resources: ResourceRequirements | undefined, claims: ReadonlySet<string>): FieldError[] {
  const limits = resources?.limits ?? {};
  const requests = resources?.requests ?? {};
  const errors: FieldError[] = [];
  for (const [name, limit] of Object.entries(limits)) errors.push(...validateAmount(`${field}.limits[${name}]`, name, limit));
  for (const [name, request] of Object.entries(requests)) {
    errors.push(...validateAmount(`${field}.requests[${name}]`, name, request));
    errors.push(...validateAgainstLimit(field, name, request, ownMember(limits, name)));
  }
  const claimed = resources?.claims ?? [];
  for (const [i, claim] of claimed.entries()) {
    if (!claim.name) errors.push(fault.required(`${field}.claims[${i}].name`));
    else if (!claims.has(claim.name)) errors.push(fault.notFound(`${field}.claims[${i}].name`, claim.name));
  }
  const all = { ...limits, ...requests };
  if (Object.keys(all).some((name) => name.startsWith("hugepages-")) && !all["cpu"] && !all["memory"])
    errors.push(fault.forbidden(field, "HugePages require cpu or memory"));
  return errors;
}

function validateAgainstLimit(field: string, name: string, request: string, limit: string | undefined): FieldError[] {
  if (limit === undefined)
    return isOvercommitAllowed(name) ? [] : [fault.required(`${field}.limits`, "Limit must be set for non overcommitable resources")];
  if (!isOvercommitAllowed(name) && compareQuantities(request, limit) !== 0)
    return [fault.invalid(`${field}.requests`, request, `must be equal to ${name} limit of ${limit}`)];
  if (compareQuantities(request, limit) > 0)
    return [fault.invalid(`${field}.requests`, request, `must be less than or equal to ${name} limit of ${limit}`)];
  return [];
}

function validateAmount(field: string, name: string, amount: string): FieldError[] {
  return [...validateContainerResourceName(field, name), ...validateQuantity(field, name, amount)];
}

/** What is wrong with the name of a resource that containers ask for. */
export function validateContainerResourceName(field: string, name: string): FieldError[] {
  const errors = validateResourceName(field, name);
  if (!name.includes("/")) {
    const fits = containerResources.has(name) || name.startsWith("hugepages-");
    return fits ? errors : [...errors, fault.invalid(field, name, "must be a standard resource for containers")];
  }
  if (errors.length > 0) return errors;
  if (!isNative(name) && !isExtended(name)) return [fault.invalid(field, name, "doesn't follow extended resource name standard")];
  return [];
}

/** What is wrong with an amount of a resource: below zero, or a fraction of what cannot be split. */
export function validateQuantity(field: string, name: string, amount: string): FieldError[] {
  if (compareQuantities(amount, "0") < 0) return [fault.invalid(field, amount, "must be greater than or equal to 0")];
  if (name.startsWith("hugepages-")) {
    const size = name.slice("hugepages-".length);
    const multiple = isQuantity(size) && approximateValue(amount) % approximateValue(size) === 0;
    return multiple ? [] : [fault.invalid(field, amount, `${amount} is not positive integer multiple of ${name}`)];
  }
  const whole = isExtended(name) || name === "pods" || name === "services" || name.startsWith("count/");
  return whole && !isWhole(amount) ? [fault.invalid(field, amount, "must be an integer")] : [];
}

function isWhole(quantity: string): boolean {
  return compareQuantities(quantity, quantityOf(value(quantity))) === 0;
}
