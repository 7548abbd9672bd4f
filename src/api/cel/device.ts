import type { Environment } from "@marcbachmann/cel-js";
import type { Compiled } from "./admission.ts";
import { kubernetesEnvironment } from "./environment.ts";
import { compileExpression } from "./expression.ts";

let environment: Environment | undefined;

/** Compiles what a claim or class chooses devices by (KEP-4381): its `device` has a driver, attributes and capacities by domain. */
export function compileDeviceSelector(text: string): Compiled {
  environment ??= kubernetesEnvironment()
    .registerType("kubernetes.DRADevice", {
      fields: {
        driver: "string",
        allowMultipleAllocations: "bool",
        attributes: "map<string, map<string, dyn>>",
        capacity: "map<string, map<string, dyn>>",
      },
    })
    .registerVariable("device", "kubernetes.DRADevice");
  try {
    return compileExpression(environment, text, { returns: ["bool"] });
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
