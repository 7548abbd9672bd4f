import type { Duplex } from "node:stream";
import { createWebSocketStream, type WebSocket } from "ws";
import { badRequest, StatusError } from "../../api/errors.ts";
import { portForwardPath } from "../../api/streaming/kubelet-paths.ts";
import type { ConnectRequest } from "../http/listener.ts";
import type { KubeletAddress } from "./kubelet.ts";
import type { StreamingParts } from "./parts.ts";
import { podOf, requireKubelet } from "./pod-target.ts";
import { SpdyConnection, type SpdyStream } from "./spdy/connection.ts";
import { acceptSpdy, chooseStreamProtocol } from "./spdy-client.ts";
import { acceptWebSocket, Brake, bytesOf, chooseProtocol, sendMessage, upgradeOf } from "./web-sockets.ts";

const spdyProtocol = "portforward.k8s.io";
/** SPDY within a WebSocket, as kubectl from 1.31 on speaks it (KEP-4006). */
const tunnelProtocol = "SPDY/3.1+portforward.k8s.io";
const channelProtocols = ["v4.channel.k8s.io", "v4.base64.channel.k8s.io"];

/** One pod's ports, as the kubelet gives them. */
interface Ports {
  pod: string;
  open(port: number): Promise<WebSocket>;
}

/** pods/portforward: each connection to a port becomes a WebSocket to the kubelet. */
export async function servePortForward(parts: StreamingParts, connect: ConnectRequest): Promise<void> {
  const { path, query, request } = connect;
  const pod = podOf(parts.objects, path.namespace, path.name);
  const address: KubeletAddress = requireKubelet(parts.objects, pod);
  const ports: Ports = {
    pod: path.name,
    open: (port) => parts.kubelets.webSocket(address, portForwardPath(path.namespace, path.name, port)),
  };
  const upgrade = connect.response ? "" : upgradeOf(request);
  if (upgrade === "spdy/3.1") {
    const protocol = chooseStreamProtocol(request, [spdyProtocol]);
    return serveSpdy(acceptSpdy(connect, protocol || spdyProtocol), ports);
  }
  if (upgrade !== "websocket") throw badRequest("Upgrade request required");
  const protocol = chooseProtocol(request, [tunnelProtocol, ...channelProtocols]);
  if (protocol === tunnelProtocol) {
    const socket = await acceptWebSocket(connect, protocol);
    socket.resume();
    return serveSpdy(createWebSocketStream(socket), ports);
  }
  const wanted = query.getAll("ports").flatMap((text) => text.split(",").map(Number));
  if (wanted.length === 0 || wanted.some((port) => !isPort(port))) throw badRequest('query parameter "ports" is required');
  serveChannels(await acceptWebSocket(connect, protocol), wanted, ports, protocol.includes("base64."));
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port < 65536;
}

/** Streams come in pairs, one for bytes and one for an error, under one request id. */
function serveSpdy(transport: Duplex, ports: Ports): void {
  const waiting = new Map<string, SpdyStream>();
  new SpdyConnection(transport, (stream) => {
    const kind = stream.headers.get("streamtype");
    const port = Number(stream.headers.get("port"));
    if ((kind !== "data" && kind !== "error") || !isPort(port)) return stream.destroy();
    // Old clients give no id: there the data stream comes right after its error stream.
    const id = stream.headers.get("requestid") ?? String(kind === "error" ? stream.id : stream.id - 2);
    const other = waiting.get(id);
    if (!other) {
      waiting.set(id, stream);
      stream.once("close", () => waiting.delete(id));
      return;
    }
    waiting.delete(id);
    const [data, error] = kind === "data" ? [stream, other] : [other, stream];
    void forward(ports, port, data, error);
  });
}

async function forward(ports: Ports, port: number, data: SpdyStream, error: SpdyStream): Promise<void> {
  let kubelet: WebSocket;
  error.resume();
  try {
    kubelet = await ports.open(port);
  } catch (cause) {
    error.end(failure(ports, port, cause instanceof StatusError ? cause.message : String(cause)));
    data.destroy();
    return;
  }
  if (data.destroyed) return kubelet.terminate();
  const brake = new Brake(kubelet);
  kubelet.on("message", (message) => {
    const bytes = bytesOf(message);
    // An empty message: the pod writes no more.
    if (bytes.length === 0) data.end();
    else if (data.writable && !data.write(bytes)) brake.until(data.drained());
  });
  kubelet.once("close", (code, reason) => {
    if (code === 1000) error.end();
    else error.end(failure(ports, port, reason.toString() || "lost connection to pod"));
    data.end();
    data.resume();
  });
  data.once("close", () => {
    if (kubelet.readyState === kubelet.OPEN) kubelet.close(1000);
    else kubelet.terminate();
    // Once the client has closed its part, nobody reads the error any more.
    if (!error.writableEnded) error.end();
  });
  kubelet.resume();
  try {
    for await (const chunk of data.iterator({ destroyOnReturn: false })) await sendMessage(kubelet, chunk);
    void sendMessage(kubelet, Buffer.alloc(0));
  } catch {
    // Cut off by the client; "close" has seen to the rest.
  }
}

function failure({ pod }: Ports, port: number, why: string): string {
  return `error forwarding port ${port} to pod ${pod}: ${why}`;
}

/** The older form without SPDY: two channels a port, 2n for bytes and 2n+1 for an error, each begun by the port in two bytes. */
function serveChannels(client: WebSocket, wanted: readonly number[], ports: Ports, base64: boolean): void {
  const send = (channel: number, data: Buffer): Promise<void> | undefined => {
    if (base64) return sendMessage(client, `${channel}${data.toString("base64")}`);
    return sendMessage(client, Buffer.concat([Buffer.from([channel]), data]));
  };
  // The client cannot end a direction by itself: the pod's end of the last port is the end of all.
  const open = new Set(wanted.keys());
  const ended = (index: number, failed?: string): void => {
    if (failed !== undefined && open.has(index)) send(2 * index + 1, Buffer.from(failure(ports, wanted[index] ?? 0, failed)));
    open.delete(index);
    if (open.size === 0) client.close(1000);
  };
  const kubelets = wanted.map(async (port, index) => {
    const number = Buffer.alloc(2);
    number.writeUInt16LE(port);
    send(2 * index, number);
    send(2 * index + 1, number);
    try {
      const kubelet = await ports.open(port);
      const brake = new Brake(kubelet);
      kubelet.on("message", (message) => {
        const bytes = bytesOf(message);
        if (bytes.length === 0) ended(index);
        else brake.until(send(2 * index, bytes));
      });
      kubelet.once("close", (code, reason) => ended(index, code === 1000 ? undefined : reason.toString()));
      if (client.readyState !== client.OPEN) kubelet.terminate();
      kubelet.resume();
      return kubelet;
    } catch (error) {
      ended(index, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  });
  const brake = new Brake(client);
  client.on("message", (message) => {
    const bytes = bytesOf(message);
    const channel = base64 ? (bytes[0] ?? 0) - 0x30 : (bytes[0] ?? 0);
    const data = base64 ? Buffer.from(bytes.toString("latin1", 1), "base64") : bytes.subarray(1);
    const kubelet = channel % 2 === 0 ? kubelets[channel / 2] : undefined;
    if (kubelet && data.length > 0) brake.until(kubelet.then((port) => port && sendMessage(port, data)));
  });
  client.once("close", () => {
    for (const kubelet of kubelets) void kubelet.then((port) => port?.terminate());
  });
  client.resume();
}
