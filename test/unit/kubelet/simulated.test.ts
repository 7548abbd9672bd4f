import { describe } from "vitest";
import { createSimulatedRuntime } from "../../../src/kubelet/runtime/simulated/simulated-runtime.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import { runtimeContract } from "./runtime-contract.ts";

describe("the simulated runtime", () => {
  runtimeContract(async () => {
    const runtime = createSimulatedRuntime({ clock: systemClock });
    return { runtime, image: "busybox", podCIDR: "10.99.1.0/24", clean: async () => runtime.close() };
  });
});
