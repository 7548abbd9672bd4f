import { defineConfig } from "vitest/config";

// Machines are busy: what is awaited may take longer than vitest's second.
const expect = { poll: { timeout: 15_000, interval: 20 } };

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 30_000, hookTimeout: 60_000, expect } },
      { test: { name: "cluster", include: ["test/cluster/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000, expect } },
      {
        test: {
          name: "docker",
          include: ["test/docker/**/*.test.ts"],
          testTimeout: 240_000,
          hookTimeout: 240_000,
          expect,
          fileParallelism: false,
          // An engine under load now and then does something late; what fails twice is a defect.
          retry: 1,
          globalSetup: "test/support/docker-cluster.ts",
          // Real containers have the machine to themselves.
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
