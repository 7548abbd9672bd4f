import type { Environment } from "@marcbachmann/cel-js";
import { registerAuthorizer } from "./authorizer.ts";
import { kubernetesEnvironment } from "./environment.ts";
import { compileCondition, type Expression } from "./expression.ts";

let environment: Environment | undefined;

/** Compiles a match condition of an admission webhook (KEP-3716). Throws as compileCondition does. */
export function compileMatchCondition(text: string): Expression {
  environment ??= registerAuthorizer(
    kubernetesEnvironment().registerVariable("object", "dyn").registerVariable("oldObject", "dyn").registerVariable("request", "map"),
  );
  return compileCondition(environment, text);
}
