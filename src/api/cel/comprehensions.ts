import { type Environment, Optional } from "@marcbachmann/cel-js";
import type { Duration, UnsignedInt } from "@marcbachmann/cel-js/evaluator";
import { CostLimitExceeded } from "./cost.ts";
import { celEqual } from "./library/equality.ts";

type Ordered = bigint | number | string | boolean | Date | Duration | UnsignedInt;

/** What the library hands to macros, as far as it is used here. */
interface Node {
  op: string;
  args: unknown;
}
interface Type {
  kind: string;
  name: string;
  keyType?: Type;
  valueType?: Type;
}
interface Context {
  forkWithVariable(name: string, type: Type): Context;
  reuse(parent: Context): Context;
  setIterValue(value: unknown, evaluator: unknown): Context;
}
interface Checker {
  check(node: Node, context: Context): Type;
  getType(name: string): Type;
  createError(code: string, message: string, node: Node): Error;
}
interface Evaluator {
  run(node: Node, context: Context): unknown;
}
interface MacroCall {
  receiver: Node;
  args: Node[];
}

/** A macro over a list's or map's entries: `variables` names come first, then the expressions that are evaluated for each. */
function comprehension(
  variables: 1 | 2,
  type: (checker: Checker, bodies: Type[], key: Type) => Type,
  run: (entries: Iterable<[unknown, unknown]>, evaluate: ((key: unknown, value: unknown) => unknown)[]) => unknown,
): (call: MacroCall) => object {
  return ({ receiver, args }) => {
    const [first, second] = args.slice(0, variables).map((arg) => String(arg.args));
    const bodies = args.slice(variables);
    const names = variables === 1 ? ["", first] : [first, second];
    let outer: Context | undefined;
    let inner: Context | undefined;
    return {
      typeCheck(checker: Checker, _: unknown, context: Context): Type {
        const over = checker.check(receiver, context);
        if (!["list", "map", "dyn"].includes(over.kind))
          throw checker.createError(
            "invalid_comprehension_range",
            `Expression of type '${over.name}' cannot be range of a comprehension (must be list, map, or dynamic)`,
            receiver,
          );
        const dyn = checker.getType("dyn");
        const key = over.kind === "map" ? over.keyType : over.kind === "list" ? checker.getType("int") : dyn;
        outer = context.forkWithVariable(names[0] ?? "", key ?? dyn);
        const scope = outer.forkWithVariable(names[1] ?? "", over.valueType ?? dyn);
        inner = scope;
        return type(
          checker,
          bodies.map((body) => checker.check(body, scope)),
          key ?? dyn,
        );
      },
      evaluate(evaluator: Evaluator, _: unknown, context: Context): unknown {
        const over = evaluator.run(receiver, context);
        const entries = Array.isArray(over) ? over.map((one, i): [unknown, unknown] => [BigInt(i), one]) : Object.entries(Object(over));
        const scope = (key: unknown, value: unknown): Context => {
          const around = outer?.reuse(context).setIterValue(key, evaluator) ?? context;
          return inner?.reuse(around).setIterValue(value, evaluator) ?? around;
        };
        return run(
          entries,
          bodies.map(
            (body) =>
              (key, value): unknown =>
                evaluator.run(body, scope(key, value)),
          ),
        );
      },
      async: false,
    };
  };
}

type Evaluate = (key: unknown, value: unknown) => unknown;
const always: Evaluate = () => true;
const bool = (checker: Checker): Type => checker.getType("bool");
const listOf = (checker: Checker, bodies: Type[]): Type => checker.getType(`list<${bodies.at(-1)?.name ?? "dyn"}>`);
const mapOf = (checker: Checker, bodies: Type[], key: Type): Type => checker.getType(`map<${key.name}, ${bodies.at(-1)?.name ?? "dyn"}>`);

/** The value that decides: an error counts only when no other entry does. */
function quantified(entries: Iterable<[unknown, unknown]>, evaluate: Evaluate, decisive: boolean): boolean {
  let failure: unknown;
  for (const [key, value] of entries) {
    try {
      if (evaluate(key, value) === decisive) return decisive;
    } catch (error) {
      if (error instanceof CostLimitExceeded) throw error;
      failure ??= error;
    }
  }
  if (failure) throw failure;
  return !decisive;
}

function* kept(entries: Iterable<[unknown, unknown]>, [first = always, second]: Evaluate[]): Generator<[unknown, unknown]> {
  for (const [key, value] of entries) if (!second || first(key, value) === true) yield [key, (second ?? first)(key, value)];
}

function one(entries: Iterable<[unknown, unknown]>, [test = always]: Evaluate[]): boolean {
  return [...entries].filter(([key, value]) => test(key, value) === true).length === 1;
}

const merged = (entries: Iterable<[unknown, unknown]>, evaluate: Evaluate[]): unknown =>
  [...kept(entries, evaluate)].reduce<Record<string, unknown>>((all, [, entry]) => {
    for (const key of Object.keys(Object(entry))) if (Object.hasOwn(all, key)) throw new Error(`insert failed: key ${key} already exists`);
    return Object.assign(all, entry);
  }, {});

const compare = (a: Ordered, b: Ordered): number => (a < b ? -1 : a > b ? 1 : 0);

/** The macros with two variables, and sortBy; see cel-go's TwoVarComprehensions and Lists. */
export function registerComprehensions(environment: Environment): void {
  const define = (signatures: string[], macro: (call: MacroCall) => object): void => {
    for (const signature of signatures) environment.registerFunction(signature, macro);
  };
  const all = comprehension(2, bool, (entries, [test = always]) => quantified(entries, test, false));
  const exists = comprehension(2, bool, (entries, [test = always]) => quantified(entries, test, true));
  define(["list.all(ast, ast, ast): bool"], all);
  define(["list.exists(ast, ast, ast): bool"], exists);
  define(["list.existsOne(ast, ast, ast): bool", "list.exists_one(ast, ast, ast): bool"], comprehension(2, bool, one));
  define(["list.existsOne(ast, ast): bool"], comprehension(1, bool, one));
  const list = comprehension(2, listOf, (entries, evaluate) => [...kept(entries, evaluate)].map(([, value]) => value));
  const map = comprehension(2, mapOf, (entries, evaluate) => Object.fromEntries(kept(entries, evaluate)));
  const entry = comprehension(2, (checker, bodies) => bodies.at(-1) ?? checker.getType("map"), merged);
  for (const args of ["ast, ast, ast", "ast, ast, ast, ast"]) {
    define([`list.transformList(${args}): list`], list);
    define([`list.transformMap(${args}): map`], map);
    define([`list.transformMapEntry(${args}): map`], entry);
  }
  const sortBy = comprehension(
    1,
    (checker) => checker.getType("list"),
    (entries, [key = always]) =>
      [...entries]
        .map(([index, value]) => ({ value, by: key(index, value) as Ordered }))
        .toSorted((a, b) => compare(a.by, b.by))
        .map(({ value }) => value),
  );
  define(["list.sortBy(ast, ast): list"], sortBy);
  registerLists(environment);
}

function slice<T>(list: readonly T[], start: bigint, end: bigint): T[] {
  if (start < 0n || end < 0n) throw new Error(`cannot slice(${start}, ${end}), negative indexes not supported`);
  if (start > end) throw new Error(`cannot slice(${start}, ${end}), start index must be less than or equal to end index`);
  if (end > list.length) throw new Error(`cannot slice(${start}, ${end}), list is length ${list.length}`);
  return list.slice(Number(start), Number(end));
}

/** cel-go's extended lists library, version 3. */
function registerLists(environment: Environment): void {
  class Lists {}
  const at =
    (i: 0 | -1) =>
    (list: readonly unknown[]): Optional =>
      list.length > 0 ? Optional.of(list.at(i)) : Optional.none();
  const functions: Record<string, (...values: never[]) => unknown> = {
    "list<A>.distinct(): list<A>": (list: unknown[]) => list.filter((item, i) => list.findIndex((other) => celEqual(item, other)) === i),
    "list<A>.slice(int, int): list<A>": slice,
    "list<A>.sort(): list<A>": (list: Ordered[]) => list.toSorted(compare),
    "list<A>.reverse(): list<A>": (list: unknown[]) => list.toReversed(),
    "list<A>.first(): optional<A>": at(0),
    "list<A>.last(): optional<A>": at(-1),
    "list.flatten(): list": (list: unknown[]) => list.flat(1),
    "list.flatten(int): list": (list: unknown[], depth: bigint) => list.flat(Number(depth)),
    "kubernetes.Lists.range(int): list<int>": (_: Lists, end: bigint) => Array.from({ length: Number(end) }, (_, i) => BigInt(i)),
  };
  environment.registerType("kubernetes.Lists", Lists).registerConstant("lists", "kubernetes.Lists", new Lists());
  for (const [signature, handler] of Object.entries(functions)) environment.registerFunction(signature, handler);
}
