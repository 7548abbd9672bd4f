import { Environment } from "@marcbachmann/cel-js";
import { registerAuthorizer } from "./authorizer.ts";
import { compileCondition, type Expression } from "./expression.ts";

let environment: Environment | undefined;

/** Compiles a match condition of an admission webhook (KEP-3716). Throws as compileCondition does. */
export function compileMatchCondition(text: string): Expression {
  environment ??= registerAuthorizer(
    new Environment({ enableOptionalTypes: true, homogeneousAggregateLiterals: false })
      .registerVariable("object", "dyn")
      .registerVariable("oldObject", "dyn")
      .registerVariable("request", "map"),
  );
  return compileCondition(environment, text);
}
