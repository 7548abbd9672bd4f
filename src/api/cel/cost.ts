import { Environment } from "@marcbachmann/cel-js";
import { type Charge, chargeOf, traversal } from "./call-costs.ts";
import { operandsOf } from "./compile-errors.ts";

/** What one evaluation may cost, in the units of cel-go: about a tenth of a microsecond each. */
const perEvaluation = 1_000_000;

/** What expressions may cost together: all rules of an object, or validations of a binding; the match conditions of one webhook or policy. */
export const costBudgets = { request: 10_000_000, matchConditions: 2_500_000 };

/** What is left for several expressions; negative when they have cost more. */
export interface CostBudget {
  left: number;
}

/** One evaluation has cost more than it may. */
export class CostLimitExceeded extends Error {
  constructor(message = "operation cancelled: actual cost limit exceeded") {
    super(message);
  }
}

/** The expressions together have cost more than they may. */
export class OutOfBudget extends CostLimitExceeded {
  constructor() {
    super("validation failed due to running out of cost budget, no further validation rules will be run");
  }
}

const unlimited: CostBudget = { left: Number.POSITIVE_INFINITY };
let meter = { spent: 0, limit: unlimited.left, budget: unlimited };

/**
 * Evaluates an expression within its limit and a budget, by default that of the evaluation around it: a policy's variables are
 * evaluated when another expression asks for them. Throws CostLimitExceeded or OutOfBudget.
 */
export function limited(evaluate: () => unknown, budget: CostBudget = meter.budget): unknown {
  const outer = meter;
  meter = { spent: 0, limit: Math.min(perEvaluation, budget.left), budget };
  try {
    return evaluate();
  } finally {
    budget.left -= meter.spent;
    meter = outer;
  }
}

/** Fails unless there is enough left; what is not a number is too much. */
function spend(cost: number): void {
  meter.spent += cost;
  if (!(meter.spent <= meter.limit)) throw meter.limit < perEvaluation ? new OutOfBudget() : new CostLimitExceeded();
}

/** A call, with its operands as they become known; it is paid for when the last one is, before it is made. */
interface Call {
  charge: Charge;
  operands: unknown[];
  last: number;
}

/** What is paid to evaluate a node; and which operand of which call it is. */
interface Price {
  cost: number;
  call: Call | undefined;
  index: number;
}

/** A node of the library's tree, with what its published types leave out. */
interface Node {
  op: string;
  args: unknown;
  meta?: { alternate?: Node; macro?: object };
  evaluate?(engine: Engine, node: Node, scope: unknown): unknown;
  price?: Price;
}
interface Engine {
  run(node: Node, scope: unknown): unknown;
  tryEval(node: Node, scope: unknown): unknown;
}

const costs = new Map(
  Object.entries({ value: 0, "?:": 0, "||": 0, "&&": 0, comprehension: 0, accuValue: 0, list: 10, map: 30, accuPush: 12 }),
);
const perTurn = 3;
const binary = /^(?:in|[=!<>]=|[<>+])$/;
const names: Charge = (over) => (Array.isArray(over) ? 0 : traversal(over)); // Those of a map are listed before the first turn.

/** Notes in a node and all below what their evaluation costs; `extra` is what the node's place adds to it. */
export function price(node: Node, extra = 0): void {
  const { op, args, meta } = node.meta?.alternate ?? node;
  node.price = { cost: (costs.get(op) ?? 1) + extra, call: undefined, index: 0 };
  if (op === "comprehension") {
    const { iterable, init, step } = args as Record<"iterable" | "init" | "step", Node>; // What the library makes of its macros.
    price(iterable);
    price(init);
    price(step, perTurn);
    charge([iterable], names, 0);
    return;
  }
  const operands: Node[] = operandsOf({ args });
  const isLoop = op === "rcall" && meta?.macro !== undefined;
  for (const [i, operand] of operands.entries()) price(operand, isLoop && i > 0 ? perTurn : 0);
  if (isLoop) charge(operands.slice(0, 1), traversal, 0);
  else if (op === "call" || op === "rcall") charge(operands, chargeOf(Array.isArray(args) ? String(args[0]) : ""), 0);
  else if (binary.test(op)) charge(operands, chargeOf(op), 1);
}

/** `last` is the operand that the library evaluates last: of a function the first. */
function charge(operands: readonly Node[], by: Charge, last: number): void {
  const call: Call = { charge: by, operands: [undefined, undefined, undefined], last };
  for (const [index, { price }] of operands.entries()) if (price) Object.assign(price, { call, index });
}

/**
 * The library knows no costs, but evaluates all nodes below the root by `run`, and what may fail without consequences by `tryEval`: both
 * are members of the class of its evaluators, which functions are called on.
 */
function meterEvaluators(evaluators: Engine): void {
  const { tryEval } = evaluators;
  evaluators.run = function (node, scope) {
    const { price } = node;
    spend(price ? price.cost : 1);
    const value = node.evaluate?.(this, node, scope);
    if (price?.call) pay(price.call, price.index, value);
    return value;
  };
  evaluators.tryEval = function (node, scope) {
    const value = tryEval.call(this, node, scope);
    if (value instanceof CostLimitExceeded) throw value;
    return value;
  };
}

function pay({ charge, operands, last }: Call, index: number, value: unknown): void {
  operands[index] = value;
  if (index !== last) return;
  const [a, b, c] = operands;
  operands[0] = operands[1] = operands[2] = undefined; // Nothing of an object stays with a rule.
  spend(charge(a, b, c));
}

new Environment()
  .registerFunction("evaluator(): bool", function (this: Engine) {
    meterEvaluators(Object.getPrototypeOf(this));
    return true;
  })
  .evaluate("evaluator()");
