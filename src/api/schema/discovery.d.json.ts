import type { DiscoveryFacts } from "./facts.ts";
/** Groups, resources and printed columns of Kubernetes v1.36. */
declare const discovery: DiscoveryFacts;
export = discovery;
