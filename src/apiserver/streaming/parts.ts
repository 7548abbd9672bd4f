import type { Clock } from "../../lib/clock.ts";
import type { Objects } from "../objects.ts";
import type { Kubelets } from "./kubelet.ts";

/** What the handlers of connections work with. */
export interface StreamingParts {
  objects: Objects;
  clock: Clock;
  kubelets: Kubelets;
}
