/** The tables of iptables that hue writes to. */
export const tables = ["nat", "filter", "mangle"] as const;
export type Table = (typeof tables)[number];

/** The rules of one table: chain -> rules, each rule without its `-A CHAIN`. */
export type Chains = Map<string, string[]>;

/** The rules that one part of the network keeps on a machine. */
export type RuleSet = Partial<Record<Table, Chains>>;

/** A jump from a built-in chain, with what it matches if not everything, to one of ours. */
export interface Hook {
  table: Table;
  from: string;
  match?: string;
  to: string;
}

/**
 * The text for iptables-restore --noflush that turns one rule set into another: changed and new chains are rewritten, those that are gone
 * removed, all others left alone. Undefined when nothing differs.
 */
export function restoreText(before: RuleSet | undefined, after: RuleSet): string | undefined {
  const parts = tables
    .map((table) => tableText(table, before?.[table] ?? new Map(), after[table] ?? new Map()))
    .filter((text) => text !== "");
  return parts.length > 0 ? parts.join("") : undefined;
}

function tableText(table: string, before: Chains, after: Chains): string {
  const changed = [...after].filter(([chain, rules]) => before.get(chain)?.join("\n") !== rules.join("\n"));
  const gone = [...before.keys()].filter((chain) => !after.has(chain));
  if (changed.length === 0 && gone.length === 0) return "";
  const lines = [`*${table}`];
  for (const [chain] of changed) lines.push(`:${chain} - [0:0]`);
  for (const chain of gone) lines.push(`:${chain} - [0:0]`);
  for (const [chain, rules] of changed) for (const rule of rules) lines.push(`-A ${chain} ${rule}`);
  for (const chain of gone) lines.push(`-X ${chain}`);
  return `${[...lines, "COMMIT"].join("\n")}\n`;
}
