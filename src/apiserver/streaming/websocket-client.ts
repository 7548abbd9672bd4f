import type { WebSocket } from "ws";
import { channel, closedChannel, decodeFrame, encodeFrame } from "../../api/streaming/channels.ts";
import type { Status } from "../../api/types/meta.v1.ts";
import type { ClientInput, RemoteClient } from "./remote-client.ts";
import { acceptWebSocket, Brake, bytesOf, chooseProtocol, sendMessage, type UpgradeRequest } from "./web-sockets.ts";

const protocols = ["v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "channel.k8s.io", "base64.channel.k8s.io"];

/** Accepts a client that speaks channels over a WebSocket. */
export async function acceptWebSocketClient(upgrade: UpgradeRequest): Promise<RemoteClient> {
  const protocol = chooseProtocol(upgrade.request, protocols);
  const socket = await acceptWebSocket(upgrade, protocol);
  const base64 = protocol.includes("base64.");
  const hasStatus = protocol.startsWith("v5.") || protocol.startsWith("v4.");
  const send = (id: number, data: Buffer): Promise<void> | undefined =>
    sendMessage(socket, base64 ? `${id}${data.toString("base64")}` : encodeFrame(id, data));
  return {
    start: (input) => listen(socket, input, { base64, halfClose: protocol.startsWith("v5.") }),
    deliver: send,
    finish(status: Status) {
      // The first version has no place for a status: only a failure is said, as text.
      if (hasStatus) send(channel.error, Buffer.from(JSON.stringify(status)));
      else if (status.status !== "Success") send(channel.error, Buffer.from(status.message ?? ""));
      socket.close(1000);
    },
  };
}

function listen(socket: WebSocket, input: ClientInput, { base64, halfClose }: { base64: boolean; halfClose: boolean }): void {
  const brake = new Brake(socket);
  socket.on("message", (message) => {
    const bytes = bytesOf(message);
    const frame = base64 ? decodeBase64(bytes) : decodeFrame(bytes);
    if (!frame) return;
    const ended = halfClose ? closedChannel(frame) : undefined;
    if (ended !== undefined) input.ended(ended);
    else if (frame.channel === channel.stdin || frame.channel === channel.resize) brake.until(input.data(frame.channel, frame.data));
  });
  socket.once("close", () => input.closed());
  if (socket.readyState === socket.CLOSED) input.closed();
  socket.resume();
}

/** A digit for the channel, then base64. */
function decodeBase64(message: Buffer): { channel: number; data: Buffer } | undefined {
  if (message.length === 0) return undefined;
  return { channel: (message[0] ?? 0) - 0x30, data: Buffer.from(message.toString("latin1", 1), "base64") };
}
