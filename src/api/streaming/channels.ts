import type { Status } from "../types/meta.v1.ts";

/**
 * The channels of exec and attach over one WebSocket (v5.channel.k8s.io, KEP-4006): every binary message begins with the channel it
 * belongs to. A message on `close` has one more byte, the channel that its sender will write no more (half-closed stdin).
 */
export const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

/** The subprotocol between API server and kubelet for exec and attach. */
export const kubeletProtocol = "v5.channel.k8s.io";

/** The size of a terminal in characters, as the resize channel carries it. */
export interface TerminalSize {
  Width: number;
  Height: number;
}

/** One message: the channel and what it carries. The data shares the message's memory. */
export interface Frame {
  channel: number;
  data: Buffer;
}

/** The message that carries data on a channel. */
export function encodeFrame(id: number, data: Uint8Array | string): Buffer {
  const bytes = typeof data === "string" ? Buffer.from(data) : data;
  const message = Buffer.allocUnsafe(bytes.length + 1);
  message[0] = id;
  message.set(bytes, 1);
  return message;
}

/** What a message carries; undefined for an empty one, which means nothing. */
export function decodeFrame(message: Buffer): Frame | undefined {
  const id = message[0];
  return id === undefined ? undefined : { channel: id, data: message.subarray(1) };
}

/** The message that says: nothing more comes on that channel. */
export function closeFrame(id: number): Buffer {
  return Buffer.from([channel.close, id]);
}

/** The channel that a frame on the close channel ends; undefined for other frames. */
export function closedChannel(frame: Frame): number | undefined {
  return frame.channel === channel.close ? frame.data[0] : undefined;
}

/** A new terminal size, as the resize channel carries it. */
export function encodeResize(size: TerminalSize): Buffer {
  return encodeFrame(channel.resize, JSON.stringify(size));
}

/** The terminal size in the data of a resize frame; undefined when it is none. */
export function decodeResize(data: Buffer): TerminalSize | undefined {
  const value = parse(data) as Partial<TerminalSize> | undefined; // Another process wrote it: checked in the next line.
  if (typeof value?.Width !== "number" || typeof value.Height !== "number") return undefined;
  return { Width: value.Width, Height: value.Height };
}

/** How a command ended well. */
export function successStatus(): Status {
  return { apiVersion: "v1", kind: "Status", metadata: {}, status: "Success" };
}

/** How a command ended: by its exit code, 0 being success. kubectl exits with the same code. */
export function exitStatus(code: number): Status {
  if (code === 0) return successStatus();
  return {
    apiVersion: "v1",
    kind: "Status",
    metadata: {},
    status: "Failure",
    reason: "NonZeroExitCode",
    message: `command terminated with non-zero exit code: command terminated with exit code ${code}`,
    details: { causes: [{ reason: "ExitCode", message: String(code) }] },
  };
}

/** Why a command could not be run or followed to its end. */
export function failureStatus(message: string): Status {
  return {
    apiVersion: "v1",
    kind: "Status",
    metadata: {},
    status: "Failure",
    reason: "InternalError",
    message: `Internal error occurred: ${message}`,
    details: { causes: [{ message }] },
    code: 500,
  };
}

/** The frame on the error channel that ends every session, success included, after all output. */
export function encodeStatus(status: Status): Buffer {
  return encodeFrame(channel.error, JSON.stringify(status));
}

/** The Status in the data of an error frame; undefined when it is none. */
export function decodeStatus(data: Buffer): Status | undefined {
  const value = parse(data) as Partial<Status> | undefined; // Another process wrote it: checked in the next line.
  return value?.status === "Success" || value?.status === "Failure" ? (value as Status) : undefined;
}

function parse(data: Buffer): unknown {
  try {
    return JSON.parse(data.toString());
  } catch {
    return undefined;
  }
}
