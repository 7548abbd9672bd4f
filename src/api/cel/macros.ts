import { type ASTNode, type Environment, EvaluationError, Optional } from "@marcbachmann/cel-js";

/** What the engine hands to a macro while it checks and runs it; not part of its published types. */
interface Type {
  kind: string;
  name: string;
  valueType: Type;
  fieldLazy(value: unknown, name: string, node: object, engine: Engine): unknown;
}
interface Engine {
  check(node: object, context: Scope): Type;
  run(node: object, context: Scope): unknown;
  getType(name: string): Type;
  debugType(value: unknown): Type;
  createError(code: string, message: string, node: object): Error;
}
interface Scope {
  forkWithVariable(name: string, type: Type): Scope;
  reuse(parent: Scope): Scope;
  setIterValue(value: unknown, engine: Engine): Scope;
}
interface Macro {
  args: ASTNode[];
  inner?: Scope;
  typeCheck(checker: Engine, macro: Macro, scope: Scope): Type;
  evaluate(engine: Engine, macro: Macro, scope: Scope): unknown;
}

/** `optional.optMap(x, f(x))` and `optional.optFlatMap(x, g(x))`, which the engine lacks. */
export function registerOptionalMacros(environment: Environment): void {
  for (const name of ["optMap", "optFlatMap"] as const)
    environment.registerFunction(
      `optional.${name}(ast, ast): optional<dyn>`,
      ({ args, receiver }: { args: ASTNode[]; receiver: ASTNode }) => optionalMacro(name, receiver, args),
    );
}

function optionalMacro(name: "optMap" | "optFlatMap", receiver: ASTNode, args: ASTNode[]): Macro {
  const [variable, expression] = args;
  if (!variable || !expression) throw new Error(`${name}() takes a variable and an expression`);
  return {
    args,
    typeCheck(checker, macro, scope) {
      const from = checker.check(receiver, scope);
      if (from.kind !== "optional" && from.kind !== "dyn")
        throw checker.createError("optional_expected", `${name}() needs an optional`, receiver);
      macro.inner = scope.forkWithVariable(String(variable.args), from.kind === "optional" ? from.valueType : from);
      const to = checker.check(expression, macro.inner);
      return name === "optMap" ? checker.getType(`optional<${to.name}>`) : to;
    },
    evaluate(engine, { inner }, scope) {
      const value = engine.run(receiver, scope);
      if (!(value instanceof Optional)) throw new EvaluationError(`${name}() needs an optional`);
      if (!inner || !value.hasValue()) return Optional.none();
      const result = engine.run(expression, inner.reuse(scope).setIterValue(value.value(), engine));
      return name === "optMap" ? Optional.of(result) : result;
    },
  };
}

/** Makes `has(...)` take any selection, as cel-go does, not only one that starts at a variable; and finds fields that no object can have. */
export function mendHas(node: unknown): void {
  if (Array.isArray(node)) node.forEach(mendHas);
  if (typeof node !== "object" || node === null || !("op" in node) || !("args" in node)) {
    if (isPlain(node)) Object.values(node).forEach(mendHas);
    return;
  }
  const meta: { macro?: Macro; alternate?: unknown } = "meta" in node && typeof node.meta === "object" && node.meta ? node.meta : {};
  if (node.op === "call" && Array.isArray(node.args) && node.args[0] === "has" && meta.macro) Object.assign(meta.macro, has);
  mendHas(node.args);
  if (meta.alternate) mendHas(meta.alternate);
}

const has: Omit<Macro, "args"> = {
  typeCheck(checker, { args: [selection] }, scope) {
    if (selection?.op !== "." && selection?.op !== ".?")
      throw checker.createError("invalid_macro_argument", "invalid argument to has() macro", selection ?? {});
    checker.check(selection, scope);
    return checker.getType("bool");
  },
  evaluate(engine, { args: [selection] }, scope) {
    if (selection?.op !== "." && selection?.op !== ".?") return false;
    const [operand, name] = selection.args;
    const value = engine.run(operand, scope);
    const object = value instanceof Optional ? (value.hasValue() ? value.value() : {}) : value;
    return engine.debugType(object).fieldLazy(object, name, selection, engine) !== undefined;
  },
};

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && (value.constructor === Object || value.constructor === undefined);
}
