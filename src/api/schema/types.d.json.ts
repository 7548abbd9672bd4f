import type { TypeFacts } from "./facts.ts";
/** Types of Kubernetes v1.36, by group, version and name ("core.v1.Pod"). */
declare const types: Record<string, TypeFacts>;
export = types;
