import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import { immutable, invalidForEach, invalidValue, oneOf, requiredValue } from "../meta/field-errors.ts";
import { checkDns1035Label, checkDnsSubdomain } from "../meta/names.ts";
import type { CustomResourceDefinition, CustomResourceDefinitionSpec, CustomResourceDefinitionVersion } from "../types/apiextensions.v1.ts";
import { validateRules } from "./rule-validation.ts";
import { validateStructure } from "./structural-schema.ts";

/** The rules of CustomResourceDefinitions. Names are accepted and instances cleaned up by the API server. */
export const customResourceDefinitionRules: KindRules<CustomResourceDefinition> = {
  default({ spec }) {
    spec.names ??= { plural: "", kind: "" };
    spec.names.singular ||= (spec.names.kind ?? "").toLowerCase();
    spec.names.listKind ||= spec.names.kind ? `${spec.names.kind}List` : undefined;
    spec.conversion ??= { strategy: "None" };
    const service = spec.conversion.webhook?.clientConfig?.service;
    if (service) service.port ??= 443;
    for (const { additionalPrinterColumns } of spec.versions ?? [])
      for (const column of additionalPrinterColumns ?? []) column.priority ??= 0;
  },
  prepareForCreate(definition) {
    const stored = definition.spec.versions?.find((version) => version.storage)?.name;
    definition.status = { conditions: [], acceptedNames: { plural: "", kind: "" }, storedVersions: stored ? [stored] : [] };
  },
  prepareForUpdate(definition, old) {
    const stored = definition.spec.versions?.find((version) => version.storage)?.name;
    const before = old.status?.storedVersions ?? [];
    if (stored && !before.includes(stored)) definition.status = { ...definition.status, storedVersions: [...before, stored] };
  },
  validate: ({ metadata, spec, status }) => [
    ...validateName(metadata.name ?? "", spec),
    ...validateSpec(spec),
    ...(status?.storedVersions ?? []).flatMap((name, i) =>
      spec.versions?.some((version) => version.name === name)
        ? []
        : [
            invalidValue(
              `status.storedVersions[${i}]`,
              name,
              `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`,
            ),
          ],
    ),
  ],
  validateUpdate({ spec }, { spec: old, status }) {
    const errors = immutable("spec.group", spec.group === old.group, spec.group);
    // Names in use by an established definition stay.
    if (!status?.conditions?.some((c) => c.type === "Established" && c.status === "True")) return errors;
    return [
      ...errors,
      ...immutable("spec.scope", spec.scope === old.scope, spec.scope),
      ...immutable("spec.names.kind", spec.names.kind === old.names.kind, spec.names.kind),
      ...immutable("spec.names.plural", spec.names.plural === old.names.plural, spec.names.plural),
    ];
  },
  cells: ({ metadata }) => [metadata.name, metadata.creationTimestamp ?? null],
};

function validateName(name: string, { names, group }: CustomResourceDefinitionSpec): FieldError[] {
  const wanted = `${names.plural}.${group}`;
  return name === wanted ? [] : [invalidValue("metadata.name", name, 'must be spec.names.plural+"."+spec.group')];
}

function validateSpec(spec: CustomResourceDefinitionSpec): FieldError[] {
  const errors: FieldError[] = [];
  if (!spec.group) errors.push(requiredValue("spec.group"));
  else {
    errors.push(...invalidForEach("spec.group", spec.group, checkDnsSubdomain(spec.group)));
    if (!spec.group.includes(".")) errors.push(invalidValue("spec.group", spec.group, "should be a domain with at least one dot"));
  }
  errors.push(...oneOf("spec.scope", spec.scope, ["Cluster", "Namespaced"]));
  errors.push(...validateVersions(spec.versions ?? []));
  errors.push(...validateNames(spec));
  errors.push(...validateConversion(spec));
  if (spec.preserveUnknownFields)
    errors.push(
      invalidValue(
        "spec.preserveUnknownFields",
        true,
        "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
      ),
    );
  return errors;
}

function validateVersions(versions: readonly CustomResourceDefinitionVersion[]): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [i, version] of versions.entries()) {
    const field = `spec.versions[${i}]`;
    names.add(version.name);
    errors.push(...invalidForEach(`${field}.name`, version.name ?? "", checkDns1035Label(version.name ?? "")));
    const schema = version.schema?.openAPIV3Schema;
    // As upstream does, a single version's parts are named as if they were the definition's own.
    const parts = versions.length === 1 ? "spec" : field;
    if (!schema) errors.push(requiredValue(`${field}.schema.openAPIV3Schema`));
    else {
      const place = versions.length === 1 ? "spec.validation.openAPIV3Schema" : `${field}.schema.openAPIV3Schema`;
      const problems = validateStructure(place, schema);
      errors.push(...(problems.length > 0 ? problems : validateRules(place, schema)));
    }
    errors.push(...validateColumns(parts, version), ...validateScale(parts, version));
  }
  const stored = versions.filter((version) => version.storage).length;
  if (names.size < versions.length)
    errors.push(invalidValue("spec.versions", shownVersions(versions), "must contain unique version names"));
  if (stored !== 1)
    errors.push(invalidValue("spec.versions", shownVersions(versions), "must have exactly one version marked as storage version"));
  return errors;
}

function shownVersions(versions: readonly CustomResourceDefinitionVersion[]): unknown {
  return versions.map(({ name, served, storage }) => ({ Name: name, Served: served, Storage: storage }));
}

const columnTypes = ["boolean", "date", "integer", "number", "string"];

function validateColumns(field: string, { additionalPrinterColumns = [] }: CustomResourceDefinitionVersion): FieldError[] {
  return additionalPrinterColumns.flatMap(({ name, type, jsonPath }, i) => {
    const path = `${field}.additionalPrinterColumns[${i}]`;
    const errors: FieldError[] = [];
    if (!name) errors.push(requiredValue(`${path}.name`));
    if (!type) errors.push(requiredValue(`${path}.type`, `must be one of ${columnTypes.join(",")}`));
    else if (!columnTypes.includes(type)) errors.push(invalidValue(`${path}.type`, type, `must be one of ${columnTypes.join(",")}`));
    if (!jsonPath) errors.push(requiredValue(`${path}.JSONPath`));
    return errors;
  });
}

function validateScale(field: string, { subresources }: CustomResourceDefinitionVersion): FieldError[] {
  const { scale } = subresources ?? {};
  if (!scale) return [];
  const roots = { specReplicasPath: ".spec", statusReplicasPath: ".status" } as const;
  return (Object.keys(roots) as (keyof typeof roots)[]).flatMap((key) => {
    const path = `${field}.subresources.scale.${key}`;
    if (!scale[key]) return [requiredValue(path)];
    if (!scale[key].startsWith(".")) return [invalidValue(path, scale[key], "must be a simple json path starting with .")];
    return scale[key].startsWith(`${roots[key]}.`) ? [] : [invalidValue(path, scale[key], `should be a json path under ${roots[key]}`)];
  });
}

function validateNames({ names }: CustomResourceDefinitionSpec): FieldError[] {
  const errors: FieldError[] = [];
  for (const key of ["plural", "singular", "kind", "listKind"] as const) {
    const name = names[key] ?? "";
    const field = `spec.names.${key}`;
    if (name)
      errors.push(...invalidForEach(field, name, checkDns1035Label(key === "kind" || key === "listKind" ? name.toLowerCase() : name)));
    else errors.push(requiredValue(field));
  }
  for (const key of ["shortNames", "categories"] as const)
    for (const [i, name] of (names[key] ?? []).entries())
      errors.push(...invalidForEach(`spec.names.${key}[${i}]`, name, checkDns1035Label(name)));
  if (names.kind && names.kind === names.listKind)
    errors.push(invalidValue("spec.names.listKind", names.listKind, "kind and listKind may not be the same"));
  return errors;
}

function validateConversion({ conversion }: CustomResourceDefinitionSpec): FieldError[] {
  const field = "spec.conversion";
  const errors = oneOf(`${field}.strategy`, conversion?.strategy, ["None", "Webhook"]);
  const webhook = conversion?.webhook;
  if (conversion?.strategy === "Webhook") {
    if (!webhook?.clientConfig) errors.push(requiredValue(`${field}.webhookClientConfig`, "required when strategy is set to Webhook"));
    else if (Boolean(webhook.clientConfig.url) === Boolean(webhook.clientConfig.service))
      errors.push(requiredValue(`${field}.webhookClientConfig`, "exactly one of url or service is required"));
    if (!webhook?.conversionReviewVersions?.length) errors.push(requiredValue(`${field}.conversionReviewVersions`));
  } else if (webhook)
    errors.push({
      reason: "FieldValueForbidden",
      field: `${field}.webhook`,
      message: "Forbidden: should not be set when strategy is not set to Webhook",
    });
  return errors;
}
