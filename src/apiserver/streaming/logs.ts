import type { IncomingMessage, ServerResponse } from "node:http";
import { containerLogsPath } from "../../api/streaming/kubelet-paths.ts";
import type { ConnectRequest } from "../http/listener.ts";
import { statusOf } from "./kubelet.ts";
import type { StreamingParts } from "./parts.ts";
import { containerOf, kubeletOf, podOf, validateLogOptions } from "./pod-target.ts";
import { acceptWebSocket, chooseProtocol, sendMessage, upgradeOf } from "./web-sockets.ts";

const passedOn = ["follow", "previous", "tailLines", "sinceSeconds", "sinceTime", "timestamps", "limitBytes", "stream"];
const protocols = ["binary.k8s.io", "base64.binary.k8s.io"];

/** pods/log: what the container has written, as text or over a WebSocket; with follow, until it ends or the client goes. */
export async function serveLogs(parts: StreamingParts, connect: ConnectRequest): Promise<void> {
  const { path, query } = connect;
  const pod = podOf(parts.objects, path.namespace, path.name);
  validateLogOptions(path.name, query);
  const container = containerOf(pod, query.get("container"));
  const address = kubeletOf(parts.objects, pod);
  const options = new URLSearchParams();
  for (const name of passedOn) {
    const value = query.get(name);
    if (value !== null) options.set(name, value);
  }
  const abort = new AbortController();
  const gone = (): void => abort.abort();
  // A connection may carry many requests: it is the answer's end that ends this one, and the connection's only where it is the answer.
  (connect.response ?? connect.socket).once("close", gone);
  // A pod that is on no node yet has written nothing.
  const target = containerLogsPath({ namespace: path.namespace, pod: path.name, container }, options);
  const answer = address && (await parts.kubelets.request(address, { method: "GET", path: target, signal: abort.signal }));
  answer?.on("error", () => answer.destroy());
  if (answer && (answer.statusCode ?? 500) >= 300) throw await statusOf(answer);
  if (connect.response) sendText(connect.response, answer);
  else if (upgradeOf(connect.request) === "websocket") await sendMessages(connect, answer);
}

function sendText(response: ServerResponse, answer: IncomingMessage | undefined): void {
  response.writeHead(200, { "Content-Type": "text/plain", "Cache-Control": "no-cache, private" });
  if (!answer) {
    response.end();
    return;
  }
  // The head goes out at once: a quiet container's follower must not wait for it.
  response.flushHeaders();
  answer.pipe(response);
  // Cut off in the middle: the client must not take it for the end.
  answer.once("close", () => {
    if (!answer.readableEnded) response.destroy();
  });
}

/** Raw bytes, or base64, without a channel before them; the server closes at the end. */
async function sendMessages(connect: ConnectRequest, answer: IncomingMessage | undefined): Promise<void> {
  const protocol = chooseProtocol(connect.request, protocols);
  const socket = await acceptWebSocket(connect, protocol);
  socket.resume();
  try {
    for await (const chunk of answer ?? []) await sendMessage(socket, protocol.startsWith("base64.") ? chunk.toString("base64") : chunk);
  } catch {
    // The kubelet went away in the middle: what there was has been sent.
  }
  socket.close(1000);
}
