import type { NodeSelector, NodeSelectorRequirement, NodeSelectorTerm } from "../types/core.v1.ts";

/** What node selectors look at. */
export interface SelectableNode {
  name: string;
  labels: Readonly<Record<string, string>>;
}

/** A compiled node selector. */
export type NodeMatcher = (node: SelectableNode) => boolean;

/** Any of the terms must match. */
export function compileNodeSelector(selector: NodeSelector): NodeMatcher {
  const terms = selector.nodeSelectorTerms.map(compileNodeTerm);
  return (node) => terms.some((matches) => matches(node));
}

/** All requirements must match; an empty term matches nothing. */
export function compileNodeTerm(term: NodeSelectorTerm): NodeMatcher {
  const expressions = (term.matchExpressions ?? []).map(compileRequirement);
  const fields = (term.matchFields ?? []).map((f) => ({ key: f.key, matches: compileRequirement(f) }));
  if (expressions.length === 0 && fields.length === 0) return () => false;
  return (node) =>
    expressions.every((matches) => matches(node.labels)) &&
    fields.every((f) => f.key === "metadata.name" && f.matches({ "metadata.name": node.name }));
}

function compileRequirement({
  key,
  operator,
  values = [],
}: NodeSelectorRequirement): (labels: Readonly<Record<string, string>>) => boolean {
  switch (operator) {
    case "In":
      return (labels) => labels[key] !== undefined && values.includes(labels[key]);
    case "NotIn":
      return (labels) => labels[key] === undefined || !values.includes(labels[key]);
    case "Exists":
      return (labels) => labels[key] !== undefined;
    case "DoesNotExist":
      return (labels) => labels[key] === undefined;
    case "Gt":
      return (labels) => isInteger(labels[key]) && isInteger(values[0]) && BigInt(labels[key]) > BigInt(values[0]);
    case "Lt":
      return (labels) => isInteger(labels[key]) && isInteger(values[0]) && BigInt(labels[key]) < BigInt(values[0]);
  }
}

function isInteger(text: string | undefined): text is string {
  return text !== undefined && /^-?\d+$/.test(text);
}
