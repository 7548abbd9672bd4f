import { goValue } from "../../api/meta/patch/go-value.ts";

/** Finds values in an object. */
export type JsonPath = (object: unknown) => unknown[];

/** One step of a path: from some values to others. */
type Step = (value: unknown) => unknown[];

/**
 * Compiles the subset of JSONPath that CustomResourceDefinitions use: `.a.b`, `['a.b']`, `\.` in names, `[0]`, `[-1]`, `[*]`, `.*`,
 * `[?(@.type=="Ready")]`. Throws a text that says what is wrong.
 */
export function compileJsonPath(path: string): JsonPath {
  const steps: Step[] = [];
  let rest = path.trim();
  if (rest.startsWith("{") && rest.endsWith("}")) rest = rest.slice(1, -1).trim();
  if (rest.startsWith("$")) rest = rest.slice(1);
  while (rest !== "") {
    const next = stepOf(rest);
    if (!next) throw new Error(`cannot understand ${JSON.stringify(rest)} in JSON path ${JSON.stringify(path)}`);
    if (next.step) steps.push(next.step);
    rest = rest.slice(next.length);
  }
  return (object) => {
    let values: unknown[] = [object];
    for (const step of steps) values = values.flatMap(step);
    return values;
  };
}

/** The member names of a path of plain fields (".spec.replicas"); undefined for any other. */
export function plainFields(path: string): string[] | undefined {
  if (!/^(\.[A-Za-z_][\w-]*)+$/.test(path)) return undefined;
  return path.slice(1).split(".");
}

function stepOf(rest: string): { step?: Step; length: number } | undefined {
  const member = /^\.?((?:\\.|[^.[\]\\*])+)/.exec(rest);
  const patterns: [RegExp, (match: RegExpExecArray) => Step | undefined][] = [
    [/^\.\*|^\[\*\]/, () => each],
    [/^\[\?\(\s*@((?:\.[\w-]+)+)\s*(==|!=)\s*(?:"([^"]*)"|'([^']*)'|([\w.-]+))\s*\)\]/, filter],
    [/^\.?\[(?:'((?:\\.|[^'])*)'|"((?:\\.|[^"])*)")\]/, (match) => memberStep(unescaped(match[1] ?? match[2] ?? ""))],
    [/^\[(-?\d+)\]/, (match) => at(Number(match[1]))],
    [/^\.(?=\[)/, () => undefined],
    [/^\.$/, () => undefined],
  ];
  for (const [pattern, make] of patterns) {
    const match = pattern.exec(rest);
    if (match) return { step: make(match), length: match[0].length };
  }
  if (!member?.[1] || !rest.startsWith(".")) return undefined;
  return { step: memberStep(unescaped(member[1])), length: member[0].length };
}

const each: Step = (value) => {
  if (Array.isArray(value)) return value;
  return typeof value === "object" && value !== null ? Object.values(value) : [];
};

function memberStep(name: string): Step {
  return (value) => {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return [];
    return [Reflect.get(value, name)];
  };
}

function at(index: number): Step {
  return (value) => {
    const found: unknown = Array.isArray(value) ? value.at(index) : undefined;
    return found === undefined ? [] : [found];
  };
}

function filter([, path = "", operator, double, single, bare]: RegExpExecArray): Step {
  const names = path.slice(1).split(".").map(memberStep);
  const wanted = double ?? single ?? bare ?? "";
  return (value) =>
    each(value).filter((item) => {
      const found = names.reduce<unknown[]>((values, step) => values.flatMap(step), [item]);
      return found.some((one) => goValue(one) === wanted) === (operator === "==");
    });
}

function unescaped(name: string): string {
  return name.replace(/\\(.)/g, "$1");
}
