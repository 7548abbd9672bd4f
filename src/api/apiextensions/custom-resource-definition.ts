import type { FieldError } from "../errors.ts";
import { validateClientConfig } from "../admissionregistration/webhook-configuration.ts";
import type { KindRules } from "../kind.ts";
import type { KubeObject } from "../meta/object.ts";
import * as fault from "../meta/field-errors.ts";
import { checkDns1035Label, checkDnsSubdomain } from "../meta/names.ts";
import { isKnownFormat } from "../schema/formats.ts";
import { childrenOf } from "./rules.ts";
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
  JSONSchemaProps,
} from "../types/apiextensions.v1.ts";
import { validateRules } from "./rule-validation.ts";
import { hasDefaults, validateDefaults } from "./schema-defaults.ts";
import { usesUnsupported, validateKeywords } from "./schema-keywords.ts";
import { validateSelectableFields } from "./selectable-fields.ts";
import { validateStructural } from "./structural-schema.ts";

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
      for (const column of additionalPrinterColumns ?? []) if (column.priority === 0) delete column.priority;
  },
  prepareForCreate(definition) {
    definition.status = { conditions: [], acceptedNames: { plural: "", kind: "" }, storedVersions: storedVersions(definition) };
  },
  prepareForUpdate(definition, old) {
    definition.status = { ...definition.status, storedVersions: storedVersions({ ...definition, status: old.status }) };
  },
  validate: ({ metadata, spec, status }, old) => [
    ...(old ? [] : validateName(metadata.name ?? "", spec)),
    ...validateSpec(spec),
    ...validateApproval(metadata, spec.group ?? ""),
    ...validateStored(spec.versions ?? [], status?.storedVersions ?? []),
  ],
  validateUpdate({ spec }, { spec: old, status }) {
    const errors = fault.immutable("spec.group", spec.group === old.group, spec.group);
    // Names in use by an established definition stay.
    if (!status?.conditions?.some((c) => c.type === "Established" && c.status === "True")) return errors;
    return [
      ...errors,
      ...fault.immutable("spec.scope", spec.scope === old.scope, spec.scope),
      ...fault.immutable("spec.names.kind", spec.names.kind === old.names.kind, spec.names.kind),
      ...fault.immutable("spec.names.plural", spec.names.plural === old.names.plural, spec.names.plural),
    ];
  },
  warnings(definition, old) {
    const before = old && unknownFormats(old);
    return [...unknownFormats(definition)]
      .filter((format) => !before?.has(format))
      .map((format) => `unrecognized format ${JSON.stringify(format)}`);
  },
  cells: ({ metadata }) => [metadata.name, metadata.creationTimestamp ?? null],
};

/** The versions in which there may be stored objects, the one that is stored from now on among them. */
export function storedVersions({ spec, status }: CustomResourceDefinition): string[] {
  const now = spec.versions?.find(({ storage }) => storage);
  return [...new Set([...(status?.storedVersions ?? []), ...(now ? [now.name] : [])])];
}

/** Formats that nobody checks. */
function unknownFormats({ spec }: CustomResourceDefinition): Set<string> {
  const within = (schema: JSONSchemaProps): string[] => [
    ...(schema.format && !isKnownFormat(schema.format, schema.type) ? [schema.format] : []),
    ...childrenOf(schema).flatMap(([, child]) => within(child)),
  ];
  return new Set(spec.versions.flatMap(({ schema }) => (schema?.openAPIV3Schema ? within(schema.openAPIV3Schema) : [])));
}

function validateName(name: string, { names, group }: CustomResourceDefinitionSpec): FieldError[] {
  const wanted = `${names.plural}.${group}`;
  return !name || name === wanted ? [] : [fault.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')];
}

const protectedGroup = /(^|\.)(k8s|kubernetes)\.io$/;
const approvalAnnotation = "api-approved.kubernetes.io";

/** Groups of the project's own need its blessing (https://github.com/kubernetes/enhancements/pull/1111). */
function validateApproval({ annotations }: KubeObject["metadata"], group: string): FieldError[] {
  if (!protectedGroup.test(group)) return [];
  const field = `metadata.annotations[${approvalAnnotation}]`;
  const value = annotations?.[approvalAnnotation];
  const needed = `protected groups must have approval annotation "${approvalAnnotation}"`;
  const see = "see https://github.com/kubernetes/enhancements/pull/1111";
  if (!value) return [fault.required(field, `${needed}, ${see}`)];
  if (value.startsWith("unapproved") || /^\w+:\/\/\S+\.\S+/.test(value)) return [];
  return [fault.invalid(field, value, `${needed} with either a URL or a reason starting with "unapproved", ${see}`)];
}

function validateStored(versions: readonly CustomResourceDefinitionVersion[], stored: readonly string[]): FieldError[] {
  const field = "status.storedVersions";
  if (stored.length === 0) return [fault.invalid(field, undefined, "must have at least one stored version")];
  const left = new Set(stored);
  const errors: FieldError[] = [];
  // A name that comes twice is that of the first.
  for (const { storage, name } of versions)
    if (!left.delete(name) && storage) errors.push(fault.invalid(field, stored, `must have the storage version ${name}`));
  for (const name of left) {
    const why = `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from ${field}`;
    errors.push(fault.invalid(`${field}[${stored.indexOf(name)}]`, name, why));
  }
  return errors;
}

function validateSpec(spec: CustomResourceDefinitionSpec): FieldError[] {
  const errors: FieldError[] = [];
  if (!spec.group) errors.push(fault.required("spec.group"));
  else {
    const wrong = checkDnsSubdomain(spec.group);
    errors.push(...fault.invalidEach("spec.group", spec.group, wrong));
    if (wrong.length === 0 && !spec.group.includes("."))
      errors.push(fault.invalid("spec.group", spec.group, "should be a domain with at least one dot"));
  }
  errors.push(...fault.oneOf("spec.scope", spec.scope, ["Cluster", "Namespaced"]));
  errors.push(...validateVersions(spec.versions ?? []));
  errors.push(...validateNames(spec));
  errors.push(...validateConversion(spec));
  if (spec.preserveUnknownFields) {
    const field = "spec.preserveUnknownFields";
    const instead = "set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
    if (spec.versions?.some(({ schema }) => schema?.openAPIV3Schema && hasDefaults(schema.openAPIV3Schema)))
      errors.push(fault.invalid(field, true, "must be false in order to use defaults in the schema"));
    errors.push(fault.invalid(field, true, `cannot set to true, ${instead}`));
  }
  return errors;
}

function validateVersions(versions: readonly CustomResourceDefinitionVersion[]): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [i, version] of versions.entries()) {
    const field = `spec.versions[${i}]`;
    names.add(version.name);
    errors.push(...fault.checked(`${field}.name`, version.name ?? "", checkDns1035Label));
    const schema = version.schema?.openAPIV3Schema;
    if (schema?.type && schema.type !== "object" && version.subresources?.status)
      errors.push(
        fault.invalid(
          `${versions.length === 1 ? "spec.validation" : `${field}.schema`}.openAPIV3Schema.type`,
          schema.type,
          'only "object" is allowed as the type at the root of the schema if the status subresource is enabled',
        ),
      );
    // As upstream does, a single version's parts are named as if they were the definition's own.
    const parts = versions.length === 1 ? "spec" : field;
    if (!schema) errors.push(fault.required(`${field}.schema.openAPIV3Schema`));
    else {
      const place = versions.length === 1 ? "spec.validation.openAPIV3Schema" : `${field}.schema.openAPIV3Schema`;
      errors.push(...validateSchema(place, schema));
    }
    errors.push(...validateColumns(parts, version), ...validateScale(parts, version));
    errors.push(...validateSelectableFields(`${parts}.selectableFields`, version), ...validateDeprecation(field, version));
  }
  // The field that versions[0].name was before there were several.
  const [first = ""] = names;
  errors.push(...fault.checkedIfNonEmpty("spec.version", first, checkDns1035Label));
  const stored = versions.filter((version) => version.storage).length;
  if (names.size < versions.length)
    errors.push(fault.invalid("spec.versions", shownVersions(versions), "must contain unique version names"));
  if (stored !== 1)
    errors.push(fault.invalid("spec.versions", shownVersions(versions), "must have exactly one version marked as storage version"));
  return errors;
}

/** As upstream does, what needs a sound schema is looked for only where the schema is. */
function validateSchema(field: string, schema: JSONSchemaProps): FieldError[] {
  const errors = validateKeywords(field, schema);
  const structural = usesUnsupported(schema) ? [] : validateStructural(field, schema);
  if (errors.length + structural.length === 0) errors.push(...validateRules(field, schema));
  if (usesUnsupported(schema)) return errors;
  return [...errors, ...structural, ...(structural.length === 0 ? validateDefaults(field, schema) : [])];
}

function validateDeprecation(version: string, { deprecated, deprecationWarning: warning }: CustomResourceDefinitionVersion): FieldError[] {
  const field = `${version}.deprecationWarning`;
  if (warning === undefined) return [];
  const errors = deprecated ? [] : [fault.invalid(field, warning, "can only be set for deprecated versions")];
  if (warning.length > 256) errors.push(fault.invalid(field, warning, "must be <= 256 characters long"));
  if (!warning) errors.push(fault.invalid(field, warning, "must not be an empty string"));
  const at = warning.search(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u);
  if (at >= 0)
    errors.push(
      fault.invalid(field, warning, `must only contain printable UTF-8 characters; non-printable character found at index ${at}`),
    );
  return errors;
}

function shownVersions(versions: readonly CustomResourceDefinitionVersion[]): unknown {
  return versions.map(({ name, served, storage, deprecated = false, deprecationWarning = null }) => ({
    Name: name,
    Served: served,
    Storage: storage,
    Deprecated: deprecated,
    DeprecationWarning: deprecationWarning,
    // What a single version has, upstream keeps elsewhere; so it does with what all versions have alike.
    Schema: null,
    Subresources: null,
    AdditionalPrinterColumns: null,
    SelectableFields: null,
  }));
}

const columnTypes = ["boolean", "date", "integer", "number", "string"];

const columnFormats = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];

function simplePath(field: string, path: string): FieldError[] {
  return path.startsWith(".") ? [] : [fault.invalid(field, path, "must be a simple json path starting with .")];
}

function validateColumns(field: string, { additionalPrinterColumns = [] }: CustomResourceDefinitionVersion): FieldError[] {
  return fault.each(`${field}.additionalPrinterColumns`, additionalPrinterColumns, ({ name, type, format, jsonPath }, path) => {
    const errors: FieldError[] = [];
    if (!name) errors.push(fault.required(`${path}.name`));
    if (!type) errors.push(fault.required(`${path}.type`, `must be one of ${columnTypes.join(",")}`));
    else if (!columnTypes.includes(type)) errors.push(fault.invalid(`${path}.type`, type, `must be one of ${columnTypes.join(",")}`));
    if (format && !columnFormats.includes(format))
      errors.push(fault.invalid(`${path}.format`, format, `must be one of ${columnFormats.join(",")}`));
    if (!jsonPath) errors.push(fault.required(`${path}.JSONPath`));
    else errors.push(...simplePath(`${path}.JSONPath`, jsonPath));
    return errors;
  });
}

function validateScale(field: string, { subresources }: CustomResourceDefinitionVersion): FieldError[] {
  const { scale } = subresources ?? {};
  if (!scale) return [];
  const selector = `${field}.subresources.scale.labelSelectorPath`;
  const roots = { specReplicasPath: ".spec", statusReplicasPath: ".status" } as const;
  const errors = (Object.keys(roots) as (keyof typeof roots)[]).flatMap((key) => {
    const path = `${field}.subresources.scale.${key}`;
    if (!scale[key]) return [fault.required(path)];
    const notSimple = simplePath(path, scale[key]);
    if (notSimple.length > 0) return notSimple;
    return scale[key].startsWith(`${roots[key]}.`) ? [] : [fault.invalid(path, scale[key], `should be a json path under ${roots[key]}`)];
  });
  return scale.labelSelectorPath ? [...errors, ...simplePath(selector, scale.labelSelectorPath)] : errors;
}

function validateNames({ names }: CustomResourceDefinitionSpec): FieldError[] {
  const errors: FieldError[] = [];
  for (const key of ["plural", "singular", "kind", "listKind"] as const) {
    const name = names[key] ?? "";
    const field = `spec.names.${key}`;
    const mixed = key === "kind" || key === "listKind";
    const problems = checkDns1035Label(mixed ? name.toLowerCase() : name);
    if (name)
      errors.push(
        ...fault.invalidEach(
          field,
          name,
          mixed ? problems.map((why) => `may have mixed case, but should otherwise match: ${why}`) : problems,
        ),
      );
    else errors.push(fault.required(field));
  }
  for (const key of ["shortNames", "categories"] as const)
    for (const [i, name] of (names[key] ?? []).entries()) errors.push(...fault.checked(`spec.names.${key}[${i}]`, name, checkDns1035Label));
  if (names.kind && names.kind === names.listKind)
    errors.push(fault.invalid("spec.names.listKind", names.listKind, "kind and listKind may not be the same"));
  return errors;
}

const reviewVersions = ["v1", "v1beta1"];

function validateConversion({ conversion }: CustomResourceDefinitionSpec): FieldError[] {
  const field = "spec.conversion";
  const errors = fault.oneOf(`${field}.strategy`, conversion?.strategy, ["None", "Webhook"]);
  const { clientConfig, conversionReviewVersions: versions = [] } = conversion?.webhook ?? {};
  const atVersions = `${field}.conversionReviewVersions`;
  if (conversion?.strategy !== "Webhook") {
    const why = "should not be set when strategy is not set to Webhook";
    if (clientConfig) errors.push(fault.forbidden(`${field}.webhookClientConfig`, why));
    return versions.length > 0 ? [...errors, fault.forbidden(atVersions, why)] : errors;
  }
  if (!clientConfig) errors.push(fault.required(`${field}.webhookClientConfig`, "required when strategy is set to Webhook"));
  else errors.push(...validateClientConfig(`${field}.webhookClientConfig`, clientConfig));
  if (versions.length === 0) return [...errors, fault.required(atVersions)];
  if (!versions.some((version) => reviewVersions.includes(version)))
    errors.push(fault.invalid(atVersions, versions, `must include at least one of ${reviewVersions.join(", ")}`));
  for (const [i, version] of versions.entries())
    if (versions.indexOf(version) < i) errors.push(fault.invalid(`${atVersions}[${i}]`, version, "duplicate version"));
    else errors.push(...fault.checked(`${atVersions}[${i}]`, version, checkDns1035Label));
  return errors;
}
