import { type ChildProcess, spawn } from "node:child_process";
import { createPublicKey } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { TLSSocket } from "node:tls";
import { type WebSocket, WebSocketServer } from "ws";
import {
  channel,
  closedChannel,
  decodeFrame,
  decodeResize,
  encodeFrame,
  encodeStatus,
  exitStatus,
  kubeletProtocol,
} from "../../../../src/api/streaming/channels.ts";
import { kubeletServerName, parseRemoteCommand } from "../../../../src/api/streaming/kubelet-paths.ts";
import { type Credentials, issueLeaf, newKey } from "../../../../src/pki/issue.ts";

/** A kubelet whose containers are this machine: exec runs real processes, ports are local ports. */
export interface FakeKubelet {
  port: number;
  /** What the API server shows it, and knows it by. */
  credentials: { certificate: string; key: string; authorities: string };
  /** Connections and processes that are still there. */
  open(): number;
  /** Paths asked for, with their queries. */
  asked: string[];
  stop(): Promise<void>;
}

const year = 365 * 24 * 60 * 60_000;

/** Starts one whose certificate, and whose client's, the authority signs. */
export async function startFakeKubelet(authority: Credentials): Promise<FakeKubelet> {
  const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + year };
  const leaf = (commonName: string, usage: "server auth" | "client auth") => {
    const key = newKey();
    return {
      key,
      certificate: issueLeaf(authority, createPublicKey(key), { commonName, names: [kubeletServerName("n1")], usages: [usage] }, validity),
    };
  };
  const serving = leaf("system:node:n1", "server auth");
  const asked: string[] = [];
  const processes = new Set<ChildProcess>();
  const webSockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (offered) => (offered.has(kubeletProtocol) ? kubeletProtocol : false),
  });
  const server = createServer({
    key: serving.key,
    cert: serving.certificate,
    ca: authority.certificate,
    requestCert: true,
    rejectUnauthorized: true,
  });
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    asked.push(request.url ?? "");
    const url = new URL(request.url ?? "/", "https://kubelet");
    if (url.pathname.startsWith("/containerLogs/")) return serveLogs(url, response);
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ method: request.method, url: request.url, client: peer(request) }));
  });
  server.on("upgrade", (request, socket, head) => {
    asked.push(request.url ?? "");
    const url = new URL(request.url ?? "/", "https://kubelet");
    if (url.pathname.endsWith("/gone")) {
      socket.end(
        'HTTP/1.1 404 Not Found\r\nContent-Length: 27\r\nConnection: close\r\n\r\ncontainer not found ("gone")'.replace("27", "28"),
      );
      return;
    }
    webSockets.handleUpgrade(request, socket, head, (client) => {
      if (url.pathname.startsWith("/portForward/")) forward(client, Number(url.searchParams.get("port")));
      else runCommand(client, parseRemoteCommand(url.searchParams), processes);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = leaf("kube-apiserver-kubelet-client", "client auth");
  return {
    port: (server.address() as AddressInfo).port,
    credentials: { certificate: client.certificate, key: client.key, authorities: authority.certificate },
    open: () => webSockets.clients.size + processes.size,
    asked,
    async stop() {
      for (const process of processes) process.kill("SIGKILL");
      for (const client of webSockets.clients) client.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function peer({ socket }: IncomingMessage): string {
  return socket instanceof TLSSocket ? String(socket.getPeerCertificate().subject["CN"]) : "";
}

function runCommand(client: WebSocket, options: ReturnType<typeof parseRemoteCommand>, processes: Set<ChildProcess>): void {
  const [program = "cat", ...args] = options.command.length > 0 ? options.command : ["sh", "-c", "echo attached; cat"];
  if (program === "size") {
    // Says how large the terminal is, then ends.
    client.on("message", (message: Buffer) => {
      const frame = decodeFrame(message);
      if (frame?.channel !== channel.resize) return;
      client.send(encodeFrame(channel.stdout, JSON.stringify(decodeResize(frame.data))));
      client.send(encodeStatus(exitStatus(0)), () => client.close(1000));
    });
    return;
  }
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  processes.add(child);
  child.stdin.on("error", () => {});
  if (!options.stdin) child.stdin.end();
  child.stdout.on("data", (data: Buffer) => client.send(encodeFrame(channel.stdout, data)));
  child.stderr.on("data", (data: Buffer) => client.send(encodeFrame(options.tty ? channel.stdout : channel.stderr, data)));
  child.on("close", (code) => {
    processes.delete(child);
    client.send(encodeStatus(exitStatus(code ?? 137)), () => client.close(1000));
  });
  client.on("message", (message: Buffer) => {
    const frame = decodeFrame(message);
    if (frame?.channel === channel.stdin) child.stdin.write(frame.data);
    if (frame && closedChannel(frame) === channel.stdin) child.stdin.end();
  });
  client.on("close", () => child.kill("SIGKILL"));
}

function forward(client: WebSocket, port: number): void {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  socket.on("error", (error) => client.close(1011, error.message));
  socket.on("data", (data) => client.send(data));
  socket.on("end", () => client.send(Buffer.alloc(0)));
  socket.on("close", (failed) => {
    if (!failed) client.close(1000);
  });
  client.on("message", (message: Buffer) => {
    if (message.length === 0) socket.end();
    else socket.write(message);
  });
  client.on("close", () => socket.destroy());
}

function serveLogs({ pathname, searchParams }: URL, response: ServerResponse): void {
  if (pathname.endsWith("/waiting")) {
    response.writeHead(400).end('container "waiting" in pod "two" is waiting to start: ContainerCreating');
    return;
  }
  response.writeHead(200, { "Content-Type": "text/plain" });
  response.write("container is alive\n");
  if (searchParams.get("follow") === "true") setTimeout(() => response.end("and well\n"), 50);
  else response.end();
}
