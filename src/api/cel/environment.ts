import { Environment } from "@marcbachmann/cel-js";
import { registerComprehensions } from "./comprehensions.ts";
import { registerConversions } from "./library/conversions.ts";
import { registerFormats } from "./library/formats.ts";
import { registerLists } from "./library/lists.ts";
import { registerNetwork } from "./library/network.ts";
import { registerQuantities } from "./library/quantities.ts";
import { registerStrings } from "./library/strings.ts";
import { registerVersions } from "./library/versions.ts";
import { registerOptionalMacros } from "./macros.ts";

let base: Environment | undefined;

/**
 * A new environment with the libraries that Kubernetes gives to CEL (all but authorizer.ts): variables and types of one's own can be
 * registered. https://kubernetes.io/docs/reference/using-api/cel/
 */
export function kubernetesEnvironment(): Environment {
  base ??= libraries();
  return base.clone();
}

function libraries(): Environment {
  const environment = new Environment({ enableOptionalTypes: true, homogeneousAggregateLiterals: false });
  for (const register of [
    registerConversions,
    registerStrings,
    registerLists,
    registerNetwork,
    registerQuantities,
    registerFormats,
    registerVersions,
    registerOptionalMacros,
    registerComprehensions,
  ])
    register(environment);
  return environment;
}
