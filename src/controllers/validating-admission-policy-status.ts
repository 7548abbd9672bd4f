import { PolicyCompiler } from "../api/admissionregistration/policy-expressions.ts";
import type { AdmissionVariables } from "../api/cel/admission.ts";
import { ObjectTypes } from "../api/cel/object-types.ts";
import { builtInResources } from "../api/resource.ts";
import { typeOfKind } from "../api/schema/struct.ts";
import type { ExpressionWarning, ParamKind, ValidatingAdmissionPolicySpec } from "../api/types/admissionregistration.v1.ts";
import type { CustomResourceDefinition } from "../api/types/apiextensions.v1.ts";
import { CustomResourceDefinitions, ValidatingAdmissionPolicies } from "../api/types/resources.ts";
import { type ControllerFactory, watch } from "../client/controller.ts";

/** A kind that a policy is about: "apps/v1" and "Deployment". */
type Kind = Required<ParamKind>;

const mostKinds = 10;

/** Tells in a policy's status what is wrong with the types in its expressions, as far as the kinds are known that it is about. */
export const createValidatingAdmissionPolicyStatus: ControllerFactory = ({ client, caches }) => {
  const policies = caches.of(ValidatingAdmissionPolicies);
  const definitions = caches.of(CustomResourceDefinitions);
  return {
    name: "validatingadmissionpolicy-status",
    watches: [watch(policies, ({ metadata }) => [metadata.name])],
    async reconcile(name) {
      const policy = policies.byKey(name);
      const generation = policy?.metadata.generation;
      if (!policy || (policy.status?.observedGeneration ?? 0) >= (generation ?? 0)) return;
      const expressionWarnings = typeWarnings(policy.spec, definitions.list());
      const typeChecking = expressionWarnings.length > 0 ? { expressionWarnings } : {};
      const status = { ...policy.status, typeChecking, ...(generation === undefined ? {} : { observedGeneration: generation }) };
      await client.updateStatus(ValidatingAdmissionPolicies, { ...policy, status });
    },
  };
};

/** What type checking finds in the validations of a policy and in their messages, for each kind that its rules name. */
export function typeWarnings(spec: ValidatingAdmissionPolicySpec, definitions: readonly CustomResourceDefinition[]): ExpressionWarning[] {
  const checks = kindsOf(spec, definitions).flatMap((kind) => {
    const types: AdmissionVariables["types"] = (environment) => {
      const known = new ObjectTypes(environment);
      const params = spec.paramKind && declared(known, { apiVersion: "", kind: "", ...spec.paramKind }, definitions);
      return { object: declared(known, kind, definitions), params };
    };
    if (!isKnown(kind, definitions)) return [];
    const compiler = new PolicyCompiler(spec, true, types);
    for (const variable of spec.variables ?? []) compiler.variable(variable);
    const { apiVersion, kind: name } = kind;
    return [{ compiler, of: `${apiVersion.includes("/") ? apiVersion : `/${apiVersion}`}, Kind=${name}` }];
  });
  const warningsOf = (fieldRef: string, text: string | undefined): ExpressionWarning[] => {
    if (!text) return [];
    const found = checks.flatMap(({ compiler, of }) => {
      const compiled = compiler.compile(text);
      return compiled instanceof Error ? [`${of}: ${compiled.message.replace("compilation failed: ", "")}\n`] : [];
    });
    return found.length > 0 ? [{ fieldRef, warning: found.join("\n") }] : [];
  };
  return (spec.validations ?? []).flatMap(({ expression, messageExpression }, i) => [
    ...warningsOf(`spec.validations[${i}].expression`, expression),
    ...warningsOf(`spec.validations[${i}].messageExpression`, messageExpression),
  ]);
}

/** The kinds that rules without wildcards name, by group, version and kind: ten at most of each rule. */
function kindsOf({ matchConstraints }: ValidatingAdmissionPolicySpec, definitions: readonly CustomResourceDefinition[]): Kind[] {
  const found = new Map<string, Kind>();
  for (const { apiGroups = [], apiVersions = [], resources = [] } of matchConstraints?.resourceRules ?? []) {
    if ([...apiGroups, ...apiVersions].some((name) => name.includes("*"))) continue;
    const combined = apiGroups.toSorted().flatMap((group) =>
      apiVersions.toSorted().flatMap((version) =>
        resources
          .filter((name) => !/[*/]/.test(name))
          .toSorted()
          .flatMap((plural) => kindOf(group, version, plural, definitions) ?? []),
      ),
    );
    for (const kind of combined.slice(0, mostKinds)) found.set(`${kind.apiVersion} ${kind.kind}`, kind);
  }
  return [...found.entries()].sort(([a], [b]) => (sortKey(a) < sortKey(b) ? -1 : 1)).map(([, kind]) => kind);
}

/** The core group comes first. */
function sortKey(name: string): string {
  return name.includes("/") ? name : `/${name}`;
}

function kindOf(group: string, version: string, plural: string, definitions: readonly CustomResourceDefinition[]): Kind | undefined {
  const apiVersion = group ? `${group}/${version}` : version;
  const builtIn = builtInResources().find((info) => info.groupVersion === apiVersion && info.plural === plural);
  const custom = definitions.find(({ spec }) => spec.group === group && spec.names.plural === plural);
  const kind = builtIn?.kind ?? (custom?.spec.versions.some(({ name }) => name === version) ? custom.spec.names.kind : undefined);
  return kind === undefined ? undefined : { apiVersion, kind };
}

function schemaOf({ apiVersion, kind }: Kind, definitions: readonly CustomResourceDefinition[]): object | undefined {
  const custom = definitions.find(({ spec }) => spec.names.kind === kind && apiVersion.startsWith(`${spec.group}/`));
  return custom?.spec.versions.find(({ name }) => apiVersion.endsWith(`/${name}`))?.schema?.openAPIV3Schema;
}

function isKnown(kind: Kind, definitions: readonly CustomResourceDefinition[]): boolean {
  return typeOfKind(kind.apiVersion, kind.kind) !== undefined || schemaOf(kind, definitions) !== undefined;
}

function declared(types: ObjectTypes, kind: Kind, definitions: readonly CustomResourceDefinition[]): string | undefined {
  const builtIn = typeOfKind(kind.apiVersion, kind.kind);
  if (builtIn) return types.builtIn(builtIn);
  const schema = schemaOf(kind, definitions);
  return schema && types.custom(schema, kind.kind);
}
