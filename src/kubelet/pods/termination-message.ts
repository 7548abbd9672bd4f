import { open } from "node:fs/promises";
import type { Pod } from "../../api/types/core.v1.ts";
import type { KubeletContext } from "../context.ts";
import type { ContainerState } from "../runtime/runtime.ts";
import { terminationLog } from "./container-spec.ts";

const fileLimit = 4096;
const logLimit = { bytes: 2048, lines: 80 };

/** A container's last words: its termination log, or the end of its output when it failed without a word and its spec says so. */
export async function terminationMessage(context: KubeletContext, pod: Pod, container: ContainerState): Promise<string> {
  if (!context.runtime.usesHost) return "";
  const file = terminationLog(context.dataDir, pod.metadata.uid, container.name, container.attempt);
  const message = await readHead(file);
  const fallBack = container.annotations["terminationMessagePolicy"] === "FallbackToLogsOnError";
  if (message !== "" || !fallBack || container.exitCode === 0 || container.startedAt === 0) return message;
  const chunks: Buffer[] = [];
  const log = await context.runtime.logs(container.id, { follow: false, tail: logLimit.lines, timestamps: false });
  for await (const chunk of log) chunks.push(chunk as Buffer); // a stream of bytes
  return Buffer.concat(chunks).subarray(-logLimit.bytes).toString();
}

async function readHead(path: string): Promise<string> {
  const file = await open(path).catch(() => undefined);
  if (!file) return "";
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(fileLimit), 0, fileLimit, 0);
    return buffer.subarray(0, bytesRead).toString();
  } finally {
    await file.close();
  }
}
