import type { Clock } from "../../lib/clock.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** How a command in a container ended; exitCode is undefined when its time was over before (it has been killed then). */
export interface CommandResult {
  exitCode: number | undefined;
  /** stdout and stderr mixed, the first 10 KiB. */
  output: string;
}

/** Runs a command in a container for at most that many milliseconds. */
export async function runCommand(runtime: Runtime, clock: Clock, id: string, command: string[], timeout: number): Promise<CommandResult> {
  const session = await runtime.exec(id, command, { stdin: false, stdout: true, stderr: true, tty: false });
  let output = "";
  const collect = (chunk: Buffer): void => {
    if (output.length < 10_240) output += chunk.toString();
  };
  session.stdout.on("data", collect);
  session.stderr?.on("data", collect);
  return new Promise((resolve, reject) => {
    const cancel = clock.after(timeout, () => {
      session.close();
      resolve({ exitCode: undefined, output });
    });
    session.done.then(
      (exitCode) => {
        cancel();
        resolve({ exitCode, output });
      },
      (error: unknown) => {
        cancel();
        reject(error);
      },
    );
  });
}
