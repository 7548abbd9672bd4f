import type { KubeObject } from "../meta/object.ts";
/** The objects that a new cluster holds, by kind. */
declare const bootstrap: Record<string, KubeObject[]>;
export = bootstrap;
