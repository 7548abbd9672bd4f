import type { RequestAttributes } from "../../api/user.ts";
import type { PolicyRule } from "../../api/types/rbac.v1.ts";

/** A rule ready to be asked: sets instead of lists. */
export interface CompiledRule {
  readonly rule: PolicyRule;
  readonly verbs: Matcher;
  readonly groups: Matcher;
  readonly resources: Matcher;
  /** Undefined: every name. */
  readonly names: ReadonlySet<string> | undefined;
}

/** Undefined: everything ("*"). */
type Matcher = ReadonlySet<string> | undefined;

/** Prepares the rules of a role. */
export function compileRules(rules: readonly PolicyRule[] | undefined): CompiledRule[] {
  return (rules ?? []).map((rule) => ({
    rule,
    verbs: matcher(rule.verbs),
    groups: matcher(rule.apiGroups),
    resources: matcher(rule.resources),
    names: rule.resourceNames?.length ? new Set(rule.resourceNames) : undefined,
  }));
}

/** Whether one of the rules allows what is asked. */
export function rulesAllow(rules: readonly CompiledRule[], attributes: RequestAttributes): boolean {
  for (const rule of rules) if (attributes.isResource ? allowsResource(rule, attributes) : allowsPath(rule, attributes)) return true;
  return false;
}

function matcher(values: readonly string[] | undefined): Matcher {
  return values?.includes("*") ? undefined : new Set(values);
}

function allowsResource({ rule, verbs, groups, resources, names }: CompiledRule, a: RequestAttributes): boolean {
  if (!rule.resources?.length) return false;
  if (verbs && !verbs.has(a.verb)) return false;
  if (groups && !groups.has(a.group)) return false;
  if (names && !names.has(a.name)) return false;
  if (!resources) return true;
  if (a.subresource === "") return resources.has(a.resource);
  return resources.has(`${a.resource}/${a.subresource}`) || resources.has(`*/${a.subresource}`);
}

function allowsPath({ rule, verbs }: CompiledRule, { verb, path }: RequestAttributes): boolean {
  if (!rule.nonResourceURLs || (verbs && !verbs.has(verb))) return false;
  return rule.nonResourceURLs.some((url) => pathMatches(url, path));
}

/** Whether a path is meant by a nonResourceURL, which may end in "*". */
export function pathMatches(url: string, path: string): boolean {
  return url === "*" || url === path || (url.endsWith("*") && path.startsWith(url.slice(0, -1)));
}
