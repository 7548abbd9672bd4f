import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding, RoleRef, Subject } from "../../api/types/rbac.v1.ts";
import { ClusterRoleBindings, ClusterRoles, RoleBindings, Roles } from "../../api/types/resources.ts";
import { key } from "../../api/meta/object.ts";
import type { RequestAttributes, UserInfo } from "../../api/user.ts";
import { serviceAccountUser } from "../authentication/index.ts";
import type { Objects } from "../objects.ts";
import type { Authorizer, Decision, GrantedRules } from "./authorizer.ts";
import { type CompiledRule, compileRules, rulesAllow } from "./rules.ts";

/** One binding of one subject to one role. */
interface Grant {
  binding: ClusterRoleBinding | RoleBinding;
  subject: Subject;
  roleRef: RoleRef;
}

/** Grants by subject: "User:jane", "Group:dev". */
type Grants = Map<string, Grant[]>;

/**
 * RBAC from the roles and bindings that are there now. Kept current by their changes, indexed by subject and namespace, so that a
 * decision looks only at what concerns the user.
 */
export class Rbac implements Authorizer {
  readonly name = "rbac";
  private readonly roles = new Map<string, CompiledRule[]>();
  private readonly everywhere: Grants = new Map();
  private readonly byNamespace = new Map<string, Grants>();
  private readonly stops: (() => void)[];

  constructor(objects: Objects) {
    this.stops = [
      objects.onChange<ClusterRole>(ClusterRoles, (role, old) => this.changeRole(role, old)),
      objects.onChange<Role>(Roles, (role, old) => this.changeRole(role, old)),
      objects.onChange<ClusterRoleBinding>(ClusterRoleBindings, (binding, old) => this.changeBinding(binding, old)),
      objects.onChange<RoleBinding>(RoleBindings, (binding, old) => this.changeBinding(binding, old)),
    ];
  }

  /** Stops following changes. */
  close(): void {
    for (const stop of this.stops) stop();
  }

  authorize(attributes: RequestAttributes): Decision {
    const errors: string[] = [];
    for (const grant of this.grantsOf(attributes.user, attributes.isResource ? attributes.namespace : "")) {
      const rules = this.rulesOf(grant.roleRef, grant.binding.metadata.namespace);
      if (!rules) errors.push(missing(grant.roleRef));
      else if (rulesAllow(rules, attributes)) return { verdict: "allow", reason: `RBAC: allowed by ${describe(grant)}` };
    }
    return { verdict: "no-opinion", reason: errors.length > 0 ? `RBAC: ${aggregate(errors)}` : "" };
  }

  /** All rules that the user has in the namespace ("": outside namespaces only); the errors name roles that are not there. */
  rulesFor(user: UserInfo, namespace: string): GrantedRules {
    const result: GrantedRules = { rules: [], errors: [] };
    for (const grant of this.grantsOf(user, namespace)) {
      const rules = this.rulesOf(grant.roleRef, grant.binding.metadata.namespace);
      if (rules) for (const { rule } of rules) result.rules.push(rule);
      else result.errors.push(missing(grant.roleRef));
    }
    return result;
  }

  /** The rules of the role that a binding names; undefined when there is no such role. `namespace` is the binding's. */
  rulesOf(ref: RoleRef, namespace: string | undefined): CompiledRule[] | undefined {
    return this.roles.get(ref.kind === "Role" ? key(namespace, ref.name) : ref.name);
  }

  private *grantsOf({ name, groups }: UserInfo, namespace: string): Generator<Grant> {
    const local = namespace === "" ? undefined : this.byNamespace.get(namespace);
    for (const grants of local ? [this.everywhere, local] : [this.everywhere]) {
      yield* grants.get(`User:${name}`) ?? [];
      for (const group of groups) yield* grants.get(`Group:${group}`) ?? [];
    }
  }

  private changeRole(role: ClusterRole | Role | undefined, old: ClusterRole | Role | undefined): void {
    const meta = (role ?? old)?.metadata;
    if (!meta) return;
    if (role) this.roles.set(key(meta.namespace, meta.name), compileRules(role.rules));
    else this.roles.delete(key(meta.namespace, meta.name));
  }

  private changeBinding(binding: ClusterRoleBinding | RoleBinding | undefined, old: ClusterRoleBinding | RoleBinding | undefined): void {
    const namespace = (binding ?? old)?.metadata.namespace;
    let grants = namespace === undefined ? this.everywhere : this.byNamespace.get(namespace);
    if (!grants) this.byNamespace.set(namespace ?? "", (grants = new Map()));
    for (const subject of old?.subjects ?? []) removeGrant(grants, subjectKey(subject, namespace), old?.metadata.name ?? "");
    if (!binding) return;
    for (const subject of binding.subjects ?? []) {
      const id = subjectKey(subject, namespace);
      const list = grants.get(id) ?? [];
      grants.set(id, list);
      list.push({ binding, subject, roleRef: binding.roleRef });
    }
  }
}

function removeGrant(grants: Grants, id: string, binding: string): void {
  const rest = grants.get(id)?.filter((grant) => grant.binding.metadata.name !== binding) ?? [];
  if (rest.length > 0) grants.set(id, rest);
  else grants.delete(id);
}

function subjectKey({ kind, name, namespace }: Subject, own: string | undefined): string {
  return kind === "ServiceAccount" ? `User:${serviceAccountUser(namespace ?? own ?? "", name)}` : `${kind}:${name}`;
}

function missing({ kind, name }: RoleRef): string {
  return `${kind.toLowerCase()}.rbac.authorization.k8s.io ${JSON.stringify(name)} not found`;
}

/** As Go prints several errors. */
export function aggregate(errors: readonly string[]): string {
  const unique = [...new Set(errors)];
  return unique.length === 1 ? (unique[0] ?? "") : `[${unique.join(", ")}]`;
}

function describe({ binding, subject, roleRef }: Grant): string {
  const { name, namespace } = binding.metadata;
  const owner = JSON.stringify(namespace === undefined ? name : `${name}/${namespace}`);
  const who = subject.kind === "ServiceAccount" ? `${subject.name}/${subject.namespace ?? namespace}` : subject.name;
  return `${binding.kind} ${owner} of ${roleRef.kind} ${JSON.stringify(roleRef.name)} to ${subject.kind} ${JSON.stringify(who)}`;
}
