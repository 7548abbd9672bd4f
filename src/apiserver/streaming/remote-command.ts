import type { WebSocket } from "ws";
import { badRequest } from "../../api/errors.ts";
import {
  channel,
  closeFrame,
  decodeFrame,
  decodeStatus,
  encodeFrame,
  failureStatus,
  kubeletProtocol,
} from "../../api/streaming/channels.ts";
import { parseRemoteCommand, type RemoteCommand, remoteCommandPath } from "../../api/streaming/kubelet-paths.ts";
import type { Status } from "../../api/types/meta.v1.ts";
import type { ConnectRequest } from "../http/listener.ts";
import type { StreamingParts } from "./parts.ts";
import { containerOf, podOf, requireKubelet } from "./pod-target.ts";
import type { RemoteClient } from "./remote-client.ts";
import { acceptSpdyClient } from "./spdy-client.ts";
import { Brake, bytesOf, sendMessage, upgradeOf } from "./web-sockets.ts";
import { acceptWebSocketClient } from "./websocket-client.ts";

/**
 * pods/exec and pods/attach. The kubelet is asked first, so that its refusal reaches the client as a Status; then the client's connection is
 * upgraded, and both are joined until one ends.
 */
export async function serveRemoteCommand(parts: StreamingParts, connect: ConnectRequest): Promise<void> {
  const { path, query, request } = connect;
  const pod = podOf(parts.objects, path.namespace, path.name);
  const container = containerOf(pod, query.get("container"));
  const address = requireKubelet(parts.objects, pod);
  const options: RemoteCommand = { ...parseRemoteCommand(query) };
  if (path.subresource === "attach") options.command = [];
  else if (options.command.length === 0) throw badRequest("you must specify at least 1 command for the container");
  if (!options.stdin && !options.stdout && !options.stderr) throw badRequest("you must specify at least 1 of stdin, stdout, stderr");
  if (options.tty) options.stderr = false;
  const upgrade = upgradeOf(request);
  if (connect.response || (upgrade !== "websocket" && upgrade !== "spdy/3.1")) throw badRequest("Upgrade request required");
  const ref = { namespace: path.namespace, pod: path.name, container };
  const kubelet = await parts.kubelets.webSocket(address, remoteCommandPath(ref, options), kubeletProtocol);
  if (connect.socket.destroyed) return kubelet.terminate();
  try {
    const client = upgrade === "websocket" ? await acceptWebSocketClient(connect) : await acceptSpdyClient(connect, options, parts.clock);
    join(kubelet, client);
  } catch (error) {
    kubelet.terminate();
    throw error;
  }
}

/** Passes on what client and kubelet say. When one of them goes, the other is closed. */
function join(kubelet: WebSocket, client: RemoteClient): void {
  const brake = new Brake(kubelet);
  let status: Status | undefined;
  kubelet.on("message", (message) => {
    const frame = decodeFrame(bytesOf(message));
    if (!frame) return;
    if (frame.channel === channel.error) status = decodeStatus(frame.data) ?? failureStatus(frame.data.toString());
    else if (frame.channel === channel.stdout || frame.channel === channel.stderr) brake.until(client.deliver(frame.channel, frame.data));
  });
  kubelet.once("close", () => client.finish(status ?? failureStatus("the connection to the node was lost")));
  client.start({
    data: (id, data) => sendMessage(kubelet, encodeFrame(id, data)),
    ended: (id) => void sendMessage(kubelet, closeFrame(id)),
    closed: () => kubelet.terminate(),
  });
  kubelet.resume();
}
