import type { PolicyExpressions } from "../../../api/admissionregistration/policy-expressions.ts";
import { type Selector, selectorOfLabelSelector } from "../../../api/meta/labels.ts";
import type { KubeObject } from "../../../api/meta/object.ts";
import type { Resource } from "../../../api/resource.ts";
import type {
  MutatingAdmissionPolicyBindingSpec,
  MutatingAdmissionPolicySpec,
  ValidatingAdmissionPolicyBindingSpec,
  ValidatingAdmissionPolicySpec,
} from "../../../api/types/admissionregistration.v1.ts";
import type { Objects } from "../../objects.ts";
import type { Registry } from "../../registry.ts";
import type { AdmissionRequest } from "../admission.ts";
import { type Criteria, criteriaOf, ruleMatchOf } from "../matching.ts";

/** A binding made ready for requests. */
export interface Binding {
  name: string;
  spec: MutatingAdmissionPolicyBindingSpec & Partial<Pick<ValidatingAdmissionPolicyBindingSpec, "validationActions">>;
  criteria: Criteria;
  /** Which parameters are meant, when they are not named. */
  params: Selector;
}

/** A policy made ready for requests. Its expressions are compiled when the first request needs them, once a generation. */
export interface Policy<Spec, Expressions> {
  name: string;
  spec: Spec;
  generation: number | undefined;
  uid: string | undefined;
  criteria: Criteria;
  bindings: readonly Binding[];
  expressions(): Expressions;
}

type AnySpec = ValidatingAdmissionPolicySpec | MutatingAdmissionPolicySpec;
interface PolicyObject<Spec> extends KubeObject {
  spec: Spec;
}

/** Where policies of one kind come from. */
export interface PolicySource<Spec, Expressions> {
  policies: Resource<PolicyObject<Spec>>;
  bindings: Resource<PolicyObject<Binding["spec"]>>;
  compile(spec: Spec): Expressions;
}

/** The policies of one kind with their bindings, by the requests that they may be about. */
export class Policies<Spec extends AnySpec, Expressions extends PolicyExpressions> {
  private readonly policies = new Map<string, Policy<Spec, Expressions>>();
  private readonly bindings = new Map<string, Binding>();
  private readonly source: PolicySource<Spec, Expressions>;
  private readonly stops: (() => void)[];
  private bound: Policy<Spec, Expressions>[] | undefined;
  private byRequest = new Map<string, readonly Policy<Spec, Expressions>[]>();
  private generation = -1;

  constructor(objects: Objects, source: PolicySource<Spec, Expressions>) {
    this.source = source;
    this.stops = [
      objects.onChange(source.policies, (now, old) => this.policyChanged(now, (now ?? old)?.metadata.name ?? "")),
      objects.onChange(source.bindings, (now, old) => this.bindingChanged(now, (now ?? old)?.metadata.name ?? "")),
    ];
  }

  close(): void {
    for (const stop of this.stops) stop();
  }

  /** Policies with bindings, by name, whose rules are about such requests; remembered until a policy or a resource changes. */
  about(request: AdmissionRequest, registry: () => Registry): readonly Policy<Spec, Expressions>[] {
    this.bound ??= this.withBindings();
    if (this.bound.length === 0) return this.bound;
    const served = registry();
    if (this.generation !== served.generation) this.byRequest.clear();
    this.generation = served.generation;
    const { resource, subresource, operation, namespace } = request;
    const key = `${operation} ${namespace ? "namespaced" : ""} ${resource.groupVersion} ${resource.plural}/${subresource}`;
    let found = this.byRequest.get(key);
    if (!found) {
      found = this.bound.filter(({ criteria }) => ruleMatchOf(criteria, request, served, false));
      this.byRequest.set(key, found);
    }
    return found;
  }

  private withBindings(): Policy<Spec, Expressions>[] {
    this.byRequest.clear();
    const bindings = Map.groupBy(this.bindings.values(), ({ spec }) => spec.policyName ?? "");
    return [...this.policies.values()]
      .filter(({ name }) => bindings.has(name))
      .map((policy) => ({ ...policy, bindings: (bindings.get(policy.name) ?? []).toSorted(byName) }))
      .sort(byName);
  }

  private policyChanged(now: PolicyObject<Spec> | undefined, name: string): void {
    const known = this.policies.get(name);
    const { generation, uid } = now?.metadata ?? {};
    if (now && known && known.generation === generation && known.uid === uid) return; // Its status.
    this.bound = undefined;
    if (!now) this.policies.delete(name);
    else {
      const { spec } = now;
      let expressions: Expressions | undefined;
      const compiled = (): Expressions => (expressions ??= this.source.compile(spec));
      const criteria = criteriaOf(spec.matchConstraints ?? {});
      this.policies.set(name, { name, spec, generation, uid, criteria, bindings: [], expressions: compiled });
    }
  }

  private bindingChanged(now: PolicyObject<Binding["spec"]> | undefined, name: string): void {
    this.bound = undefined;
    if (!now) this.bindings.delete(name);
    else {
      const { spec } = now;
      const params = selectorOfLabelSelector(spec.paramRef?.selector ?? {});
      this.bindings.set(name, { name, spec, params, criteria: criteriaOf(spec.matchResources ?? {}, true) });
    }
  }
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1;
}
