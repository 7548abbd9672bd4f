import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { checkCidr, checkIp } from "../meta/addresses.ts";
import { deepEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import { goStruct } from "../meta/go-struct.ts";
import { age } from "../meta/time.ts";
import type { IPAddress, ServiceCIDR } from "../types/networking.v1.ts";

/** The rules of ServiceCIDRs. */
export const serviceCidrRules: KindRules<ServiceCIDR> = {
  validate({ spec }, old) {
    const ranges = spec?.cidrs ?? [];
    // A second range may come to the first one; else nothing changes.
    if (old && ranges.length <= (old.spec?.cidrs?.length ?? 0)) return [];
    if (ranges.length === 0) return [fault.required("spec.cidrs", "at least one CIDR required")];
    const errors = ranges.flatMap((range, i) => checkCidr(`spec.cidrs[${i}]`, range));
    const v6 = ranges.filter((range) => range.includes(":")).length;
    if (errors.length === 0 && ranges.length === 2 && v6 !== 1)
      errors.push(
        fault.invalid("spec.cidrs", ranges, "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"),
      );
    if (ranges.length > 2) errors.push(fault.invalid("spec", spec, "may only hold up to 2 values"));
    return errors;
  },
  validateUpdate({ spec }, old) {
    const ranges = spec?.cidrs ?? [];
    const before = old.spec?.cidrs ?? [];
    if (ranges.length < before.length) return fault.immutable("spec.cidrs", false, spec?.cidrs ?? null);
    return before.flatMap((range, i) => fault.immutable(`spec.cidrs[${i}]`, ranges[i] === range, ranges[i]));
  },
  cells: ({ metadata, spec }, now) => [metadata.name, (spec?.cidrs ?? []).join(","), age(metadata.creationTimestamp, now)],
};

const goParent = { Group: "", Resource: "", Namespace: "", Name: "" };

/** The rules of IPAddresses: each is named by its address and belongs to one object. */
export const ipAddressRules: KindRules<IPAddress> = {
  validate({ metadata, spec }) {
    const errors: FieldError[] = metadata.name ? checkIp("metadata.name", metadata.name) : [];
    const { parentRef } = spec ?? {};
    if (!parentRef) return [...errors, fault.required("spec.parentRef")];
    for (const key of ["resource", "name"] as const) if (!parentRef[key]) errors.push(fault.required(`spec.parentRef.${key}`));
    return errors;
  },
  validateUpdate: ({ spec }, old) =>
    fault.immutable(
      "spec.parentRef",
      deepEqual(spec?.parentRef, old.spec?.parentRef),
      spec?.parentRef ? goStruct(spec.parentRef, goParent) : null,
    ),
  cells({ metadata, spec }, now) {
    const { group, resource, namespace, name } = spec?.parentRef ?? { resource: "", name: "" };
    // Upstream's row has one cell more than its table has columns.
    return [
      metadata.name,
      `${resource}${group ? `.${group}` : ""}/${namespace ? `${namespace}/` : ""}${name}`,
      age(metadata.creationTimestamp, now),
    ];
  },
};
