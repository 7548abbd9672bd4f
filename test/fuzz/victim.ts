import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startHue, temporaryFolder } from "../support/hue.ts";
import type { Victim } from "./fuzz.ts";
import { token } from "./message.ts";

/** A server with simulated pods to be fuzzed, in a process of its own. */
export async function startVictim(): Promise<Victim & { stop(): Promise<void> }> {
  const tokens = join(temporaryFolder(), "tokens.csv");
  writeFileSync(tokens, `${token},admin,admin,"system:masters"\n`, { mode: 0o600 });
  const parts = ["dns", "ingress", "servicelb", "network-policy", "service-proxy"].flatMap((part) => ["--disable", part]);
  const hue = await startHue(["--runtime", "simulated", "--bind-address", "127.0.0.1", "--token-auth-file", tokens, ...parts]);
  const { pid } = hue.process;
  if (pid === undefined) throw new Error("hue has no process");
  return {
    port: hue.port,
    pid,
    output: hue.output,
    async stop() {
      await hue.stop();
      await hue.cleanup();
    },
  };
}
