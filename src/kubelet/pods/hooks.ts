import type { LifecycleHandler } from "../../api/types/core.v1.ts";
import { sleep } from "../../lib/clock.ts";
import type { KubeletContext } from "../context.ts";
import { hookHTTP } from "../probes/http.ts";
import { resolvePort } from "../probes/probe.ts";
import { probeTCP } from "../probes/tcp.ts";
import type { PodContainer } from "./containers.ts";
import { runCommand } from "./run-command.ts";

/** Where a hook is run. */
export interface HookTarget {
  container: PodContainer;
  containerId: string;
  podIP: string;
}

/** Runs a lifecycle hook for at most that many milliseconds. Throws with the reason when it fails. */
export async function runHook(
  { runtime, clock }: Pick<KubeletContext, "runtime" | "clock">,
  handler: LifecycleHandler,
  { container: { container }, containerId, podIP }: HookTarget,
  timeout: number,
): Promise<void> {
  if (!runtime.usesHost) return;
  if (handler.exec) {
    const command = handler.exec.command ?? [];
    const { exitCode, output } = await runCommand(runtime, clock, containerId, command, timeout);
    if (exitCode === 0) return;
    const how = exitCode === undefined ? "timed out" : `exited with ${exitCode}: ${output}`;
    throw new Error(
      `Exec lifecycle hook ([${command.join(" ")}]) for Container "${container.name}" failed - error: command '${command.join(" ")}' ${how}`,
    );
  }
  if (handler.httpGet) await hookHTTP(handler.httpGet, container, podIP, Math.min(timeout, 30_000));
  else if (handler.tcpSocket) {
    const { outcome, output } = await probeTCP(handler.tcpSocket.host || podIP, resolvePort(handler.tcpSocket.port, container), timeout);
    if (outcome !== "success") throw new Error(output);
  } else if (handler.sleep) await sleep(clock, Math.min(handler.sleep.seconds * 1000, timeout));
}
