import type { WebSocket } from "ws";
import {
  channel,
  closedChannel,
  decodeFrame,
  decodeResize,
  encodeFrame,
  encodeStatus,
  exitStatus,
  failureStatus,
  successStatus,
} from "../../api/streaming/channels.ts";
import { parseRemoteCommand } from "../../api/streaming/kubelet-paths.ts";
import type { Session } from "../runtime/runtime.ts";
import { runningContainerOf } from "./find-container.ts";
import type { ServerContext } from "./server-context.ts";

/** Above this many bytes on their way the process has to wait. */
const highWater = 1024 * 1024;

/** Serves exec and attach on one WebSocket (v5.channel.k8s.io). The last frame before the close tells how it ended. */
export async function remoteCommand(
  context: ServerContext,
  kind: "exec" | "attach",
  path: readonly string[],
  query: URLSearchParams,
  ws: WebSocket,
): Promise<void> {
  const early: Buffer[] = [];
  const collect = (data: Buffer): void => void early.push(data);
  ws.on("message", collect); // stdin may come before the process is there
  const { command, ...options } = parseRemoteCommand(query);
  let session: Session;
  try {
    const container = await runningContainerOf(context, path);
    session =
      kind === "exec"
        ? await context.runtime.exec(container.id, [...command], options)
        : await context.runtime.attach(container.id, options);
  } catch (error) {
    ws.send(encodeStatus(failureStatus(error instanceof Error ? error.message : String(error))));
    ws.close(1000);
    return;
  }
  ws.off("message", collect);
  const pass = (data: Buffer): void => receive(session, data, ws);
  ws.on("message", pass);
  for (const data of early) receive(session, data, ws);
  ws.on("close", () => session.close());
  const output = [forward(session.stdout, options.stdout ? channel.stdout : undefined, ws)];
  if (session.stderr) output.push(forward(session.stderr, options.stderr ? channel.stderr : undefined, ws));
  try {
    const code = await session.done;
    await Promise.all(output);
    ws.send(encodeStatus(kind === "exec" ? exitStatus(code) : successStatus()));
  } catch (error) {
    ws.send(encodeStatus(failureStatus(error instanceof Error ? error.message : String(error))));
  }
  // What is still on its way in has no reader any more; a paused connection would not hear the other side's goodbye.
  ws.off("message", pass);
  ws.resume();
  ws.close(1000);
}

function receive(session: Session, message: Buffer, ws: WebSocket): void {
  const frame = decodeFrame(message);
  if (!frame) return;
  if (closedChannel(frame) === channel.stdin) {
    session.stdin?.end();
    ws.resume(); // a stream that ends tells no drain
  } else if (frame.channel === channel.stdin) {
    if (session.stdin?.write(frame.data) === false) {
      ws.pause();
      session.stdin.once("drain", () => ws.resume());
    }
  } else if (frame.channel === channel.resize) {
    const size = decodeResize(frame.data);
    if (size) void session.resize(size.Width, size.Height);
  }
}

/** Resolves when the stream has ended and all of it is sent. */
function forward(stream: NodeJS.ReadableStream, id: number | undefined, ws: WebSocket): Promise<void> {
  return new Promise((resolve) => {
    stream.on("data", (chunk: Buffer) => {
      if (id === undefined || ws.readyState !== ws.OPEN) return;
      ws.send(encodeFrame(id, chunk), () => {
        if (ws.bufferedAmount < highWater) stream.resume();
      });
      if (ws.bufferedAmount >= highWater) stream.pause();
    });
    stream.on("end", resolve);
    stream.on("close", resolve);
    stream.on("error", () => resolve());
  });
}
