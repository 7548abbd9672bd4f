import type {
  CustomResourceDefinition,
  CustomResourceDefinitionCondition,
  CustomResourceDefinitionNames,
} from "../../api/types/apiextensions.v1.ts";

/** What naming finds: which names a definition may use, and the conditions that tell of it. */
export interface Naming {
  accepted: CustomResourceDefinitionNames;
  namesAccepted: CustomResourceDefinitionCondition;
  established: CustomResourceDefinitionCondition;
}

/** The names with those that a definition may leave out. */
export function completeNames(names: CustomResourceDefinitionNames): CustomResourceDefinitionNames {
  return { ...names, singular: names.singular || names.kind.toLowerCase(), listKind: names.listKind || `${names.kind}List` };
}

/** Which of the definition's names are free of other definitions' in its group. */
export function nameDefinition(definition: CustomResourceDefinition, others: readonly CustomResourceDefinition[]): Naming {
  const wanted = completeNames(definition.spec.names);
  const accepted: CustomResourceDefinitionNames = { ...(definition.status?.acceptedNames ?? { plural: "", kind: "" }) };
  const taken = others
    .filter(({ spec, metadata }) => spec.group === definition.spec.group && metadata.name !== definition.metadata.name)
    .map(({ status }) => status?.acceptedNames)
    .filter((names) => names !== undefined);
  const resources = new Set(taken.flatMap(({ plural, singular, shortNames }) => [plural, singular, ...(shortNames ?? [])]));
  const kinds = new Set(taken.flatMap(({ kind, listKind }) => [kind, listKind]));
  let refused: { reason: string; name: string } | undefined;
  const check = (name: string | undefined, used: Set<string | undefined>, reason: string): boolean => {
    if (!name || !used.has(name)) return true;
    refused = { reason, name };
    return false;
  };
  if (check(wanted.plural, resources, "PluralConflict")) accepted.plural = wanted.plural;
  if (check(wanted.singular, resources, "SingularConflict")) accepted.singular = wanted.singular;
  if ((wanted.shortNames ?? []).every((name) => check(name, resources, "ShortNamesConflict"))) set(accepted, "shortNames", wanted);
  if (check(wanted.kind, kinds, "KindConflict")) accepted.kind = wanted.kind;
  if (check(wanted.listKind, kinds, "ListKindConflict")) accepted.listKind = wanted.listKind;
  set(accepted, "categories", wanted);
  return { accepted, ...conditionsOf(refused, isTrue(definition, "Established")) };
}

function set(to: CustomResourceDefinitionNames, member: "shortNames" | "categories", from: CustomResourceDefinitionNames): void {
  if (from[member]?.length) to[member] = from[member];
  else delete to[member];
}

function conditionsOf(
  refused: { reason: string; name: string } | undefined,
  wasEstablished: boolean,
): Pick<Naming, "namesAccepted" | "established"> {
  if (!refused)
    return {
      namesAccepted: { type: "NamesAccepted", status: "True", reason: "NoConflicts", message: "no conflicts found" },
      established: { type: "Established", status: "True", reason: "InitialNamesAccepted", message: "the initial names have been accepted" },
    };
  const message = `${JSON.stringify(refused.name)} is already in use`;
  return {
    namesAccepted: { type: "NamesAccepted", status: "False", reason: refused.reason, message },
    // Once established, a definition goes on being served under the names that it has.
    established: wasEstablished
      ? { type: "Established", status: "True", reason: "InitialNamesAccepted", message: "the initial names have been accepted" }
      : { type: "Established", status: "False", reason: "NotAccepted", message: "not all names are accepted" },
  };
}

/** Whether the condition is there and true. */
export function isTrue(definition: CustomResourceDefinition, type: string): boolean {
  return definition.status?.conditions?.some((condition) => condition.type === type && condition.status === "True") ?? false;
}
