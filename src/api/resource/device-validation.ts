import { compileDeviceSelector } from "../cel/device.ts";
import type { FieldError } from "../errors.ts";
import * as fault from "../meta/field-errors.ts";
import { checkDnsLabel, checkDnsSubdomain } from "../meta/names.ts";
import { validateDriverName } from "../storage/csi.ts";
import type {
  Device,
  DeviceAttribute,
  DeviceRequest,
  DeviceSelector,
  DeviceSubRequest,
  ExactDeviceRequest,
  ResourceClaimSpec,
  ResourcePool,
  ResourceSliceSpec,
} from "../types/resource.v1.ts";

const most = { requests: 32, selectors: 32, devices: 128, alternatives: 8, text: 64 };

/** Fills in how many devices a claim asks for: exactly one, if it does not say. */
export function defaultClaim(spec: ResourceClaimSpec | undefined): void {
  for (const { exactly, firstAvailable = [] } of spec?.devices?.requests ?? [])
    for (const request of exactly ? [exactly, ...firstAvailable] : firstAvailable) {
      request.allocationMode ||= "ExactCount";
      if (request.allocationMode === "ExactCount") request.count ||= 1;
    }
}

/** What is wrong with what a claim, or a template of one, asks for. */
export function validateClaim(field: string, spec: ResourceClaimSpec | undefined): FieldError[] {
  const requests = spec?.devices?.requests ?? [];
  const path = `${field}.devices.requests`;
  return [
    ...(requests.length > most.requests ? [fault.tooMany(path, requests.length, most.requests)] : []),
    ...requests.flatMap((request, i) => [
      ...validateRequest(`${path}[${i}]`, request),
      ...(requests.findIndex(({ name }) => name === request.name) < i ? [fault.duplicate(`${path}[${i}]`, request.name)] : []),
    ]),
  ];
}

function validateRequest(field: string, { name = "", exactly, firstAvailable = [] }: DeviceRequest): FieldError[] {
  const errors = fault.checked(`${field}.name`, name, checkDnsLabel);
  const text = "exactly one of `exactly` or `firstAvailable` is required";
  if (!exactly && firstAvailable.length === 0) return [...errors, fault.required(field, text)];
  if (exactly && firstAvailable.length > 0) errors.push(fault.invalid(field, null, `${text}, but multiple fields are set`));
  if (exactly) errors.push(...validateAmount(`${field}.exactly`, exactly));
  const path = `${field}.firstAvailable`;
  if (firstAvailable.length > most.alternatives) errors.push(fault.tooMany(path, firstAvailable.length, most.alternatives));
  for (const [i, choice] of firstAvailable.entries()) {
    errors.push(...fault.checked(`${path}[${i}].name`, choice.name ?? "", checkDnsLabel));
    errors.push(...validateAmount(`${path}[${i}]`, choice));
    if (firstAvailable.findIndex((other) => other.name === choice.name) < i) errors.push(fault.duplicate(`${path}[${i}]`, choice.name));
  }
  return errors;
}

function validateAmount(field: string, request: ExactDeviceRequest | DeviceSubRequest): FieldError[] {
  const { deviceClassName, selectors, allocationMode, count = 0 } = request;
  const errors = fault.requiredAndChecked(`${field}.deviceClassName`, deviceClassName, checkDnsSubdomain);
  errors.push(...validateSelectors(`${field}.selectors`, selectors));
  errors.push(...fault.supported(`${field}.allocationMode`, allocationMode, ["All", "ExactCount"]));
  if (allocationMode === "All" && count !== 0)
    errors.push(fault.invalid(`${field}.count`, count, "must not be specified when allocationMode is 'All'"));
  if (allocationMode === "ExactCount" && count <= 0) errors.push(fault.invalid(`${field}.count`, count, "must be greater than zero"));
  return errors;
}

/** What is wrong with what devices are chosen by. */
export function validateSelectors(field: string, selectors: readonly DeviceSelector[] = []): FieldError[] {
  const errors = selectors.length > most.selectors ? [fault.tooMany(field, selectors.length, most.selectors)] : [];
  for (const [i, { cel }] of selectors.entries()) {
    const path = `${field}[${i}].cel`;
    const compiled = cel && compileDeviceSelector(cel.expression ?? "");
    if (!cel) errors.push(fault.required(path));
    else if (compiled instanceof Error) errors.push(fault.invalid(`${path}.expression`, cel.expression ?? "", compiled.message));
  }
  return errors;
}

/** What is wrong with the devices that a driver tells of. */
export function validateSlice(spec: ResourceSliceSpec | undefined): FieldError[] {
  const { nodeName, nodeSelector, allNodes, perDeviceNodeSelection, devices = [] } = spec ?? {};
  const errors = [...validateDriverName("spec.driver", spec?.driver), ...validatePool("spec.pool", spec?.pool)];
  if (nodeName === "") errors.push(fault.invalid("spec.nodeName", nodeName, "must be either unset or set to a non-empty string"));
  else if (nodeName !== undefined) errors.push(...fault.checked("spec.nodeName", nodeName, checkDnsSubdomain));
  const places = { nodeName, nodeSelector, allNodes, perDeviceNodeSelection };
  const given = Object.entries(places).flatMap(([key, value]) => (value ? [`\`${key}\``] : []));
  const text = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
  if (given.length === 0) errors.push(fault.required("spec", text));
  if (given.length > 1) errors.push(fault.invalid("spec", `{${given.join(", ")}}`, `${text}, but multiple fields are set`));
  if (devices.length > most.devices) errors.push(fault.tooMany("spec.devices", devices.length, most.devices));
  for (const [i, device] of devices.entries()) {
    errors.push(...validateDevice(`spec.devices[${i}]`, device));
    if (devices.findIndex(({ name }) => name === device.name) < i) errors.push(fault.duplicate(`spec.devices[${i}]`, device.name));
  }
  return errors;
}

function validatePool(field: string, pool: ResourcePool | undefined): FieldError[] {
  const { name = "", generation = 0, resourceSliceCount = 0 } = pool ?? {};
  const errors = name ? [] : [fault.required(`${field}.name`)];
  if (name.length > 253) errors.push(fault.tooLong(`${field}.name`, 253));
  if (name) for (const part of name.split("/")) errors.push(...fault.checked(`${field}.name`, part, checkDnsSubdomain));
  if (resourceSliceCount <= 0) errors.push(fault.invalid(`${field}.resourceSliceCount`, resourceSliceCount, "must be greater than zero"));
  if (generation < 0) errors.push(fault.invalid(`${field}.generation`, generation, "must be greater than or equal to zero"));
  return errors;
}

function validateDevice(field: string, { name = "", attributes = {}, taints = [] }: Device): FieldError[] {
  return [
    ...fault.checked(`${field}.name`, name, checkDnsLabel),
    ...Object.entries(attributes).flatMap(([key, attribute]) => validateAttribute(`${field}.attributes[${key}]`, attribute)),
    ...taints.flatMap(({ effect }, i) => fault.supported(`${field}.taints[${i}].effect`, effect, ["NoExecute", "NoSchedule", "None"])),
  ];
}

function validateAttribute(field: string, attribute: DeviceAttribute): FieldError[] {
  const given = Object.values(attribute).filter((value) => value !== undefined && value !== null);
  if (given.length === 0) return [fault.invalid(field, "", "exactly one value must be specified")];
  if (given.length > 1) return [fault.forbidden(field, "exactly one value must be specified")];
  return (["string", "version"] as const).flatMap((key) =>
    (attribute[key]?.length ?? 0) > most.text ? [fault.tooLong(`${field}.${key}`, most.text)] : [],
  );
}
