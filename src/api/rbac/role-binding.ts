import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { deepEqual } from "../meta/equality.ts";
import * as fault from "../meta/field-errors.ts";
import { goStruct } from "../meta/go-struct.ts";
import { checkDnsSubdomain, checkPathSegment } from "../meta/names.ts";
import { age } from "../meta/time.ts";
import type { ClusterRoleBinding, RoleBinding, RoleRef, Subject } from "../types/rbac.v1.ts";

const group = "rbac.authorization.k8s.io";

type Binding = RoleBinding | ClusterRoleBinding;

/** The rules of RoleBindings. */
export const roleBindingRules: KindRules<RoleBinding> = rulesFor(["Role", "ClusterRole"], false);

/** The rules of ClusterRoleBindings, whose service accounts must name a namespace. */
export const clusterRoleBindingRules: KindRules<ClusterRoleBinding> = rulesFor(["ClusterRole"], true);

function rulesFor<T extends Binding>(roleKinds: readonly string[], clusterWide: boolean): KindRules<T> {
  return {
    default(binding) {
      if (binding.roleRef) binding.roleRef.apiGroup ||= group;
      for (const subject of binding.subjects ?? []) {
        if (subject.kind === "User" || subject.kind === "Group") subject.apiGroup ||= group;
      }
    },
    validate: ({ roleRef, subjects }) => [
      ...validateRoleRef(roleRef, roleKinds),
      ...(subjects ?? []).flatMap((subject, i) => validateSubject(`subjects[${i}]`, subject, clusterWide)),
    ],
    validateUpdate: ({ roleRef }, old) =>
      deepEqual(roleRef, old.roleRef)
        ? []
        : [fault.invalid("roleRef", goStruct(roleRef, { APIGroup: "", Kind: "", Name: "" }), "cannot change roleRef")],
    cells: ({ metadata, roleRef, subjects }, now) => [
      metadata.name,
      `${roleRef?.kind}/${roleRef?.name}`,
      age(metadata.creationTimestamp, now),
      namesOf(subjects, "User"),
      namesOf(subjects, "Group"),
      namesOf(subjects, "ServiceAccount"),
    ],
  };
}

function namesOf(subjects: readonly Subject[] | undefined, kind: string): string {
  const chosen = (subjects ?? []).filter((subject) => subject.kind === kind);
  return chosen.map(({ name, namespace }) => (kind === "ServiceAccount" ? `${namespace}/${name}` : name)).join(", ");
}

function validateRoleRef(roleRef: RoleRef | undefined, kinds: readonly string[]): FieldError[] {
  const { apiGroup = "", kind = "", name = "" } = roleRef ?? {};
  const errors: FieldError[] = [];
  if (apiGroup !== group) errors.push(fault.notSupported("roleRef.apiGroup", apiGroup, [group]));
  if (!kinds.includes(kind)) errors.push(fault.notSupported("roleRef.kind", kind, kinds));
  return [...errors, ...fault.requiredAndChecked("roleRef.name", name, checkPathSegment)];
}

function validateSubject(field: string, { kind, name = "", namespace, apiGroup = "" }: Subject, clusterWide: boolean): FieldError[] {
  const errors: FieldError[] = [];
  if (!name) errors.push(fault.required(`${field}.name`));
  if (kind === "ServiceAccount") {
    errors.push(...fault.checkedIfNonEmpty(`${field}.name`, name, checkDnsSubdomain));
    if (apiGroup) errors.push(fault.notSupported(`${field}.apiGroup`, apiGroup, [""]));
    if (!namespace && clusterWide) errors.push(fault.required(`${field}.namespace`));
  } else if (kind === "User" || kind === "Group") {
    if (apiGroup !== group) errors.push(fault.notSupported(`${field}.apiGroup`, apiGroup, [group]));
  } else errors.push(fault.notSupported(`${field}.kind`, kind ?? "", ["ServiceAccount", "User", "Group"]));
  return errors;
}
