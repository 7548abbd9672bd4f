import type { IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { WebSocket } from "ws";
import { badRequest, internalError, StatusError } from "../../api/errors.ts";
import { kubeletServerName } from "../../api/streaming/kubelet-paths.ts";
import type { Node } from "../../api/types/core.v1.ts";
import type { Status } from "../../api/types/meta.v1.ts";

/** With what the API server shows itself to kubelets, and by which authority it knows them; all PEM. */
export interface KubeletCredentials {
  certificate: string;
  key: string;
  authorities: string;
}

/** Where a kubelet's server listens. */
export interface KubeletAddress {
  host: string;
  port: number;
  /** The name that its certificate is checked for: not the address, which a node says of itself. */
  serverName: string;
}

/** A plain request to a kubelet. */
export interface KubeletRequest {
  method: string;
  /** Path and query. */
  path: string;
  headers?: Record<string, string | string[] | undefined>;
  body?: Readable;
  signal?: AbortSignal;
}

/** Where the node's kubelet listens. Throws when the node has said no address yet. */
export function kubeletAddress(node: Node): KubeletAddress {
  const addresses = node.status?.addresses ?? [];
  const found = ["InternalIP", "ExternalIP", "Hostname"].map((type) => addresses.find((a) => a.type === type)).find((a) => a);
  if (!found)
    throw new StatusError({
      code: 500,
      message: `no preferred addresses found; known addresses: [${addresses.map((a) => a.address).join(" ")}]`,
    });
  return {
    host: found.address,
    port: node.status?.daemonEndpoints?.kubeletEndpoint?.Port || 10250,
    serverName: kubeletServerName(node.metadata.name),
  };
}

/** The way to the kubelets: mutual TLS, kept open between requests. */
export class Kubelets {
  private readonly credentials: () => KubeletCredentials;
  private agent: { of: KubeletCredentials; agent: Agent } | undefined;

  /** The credentials are asked for at each connection: they are renewed while the server runs. */
  constructor(credentials: () => KubeletCredentials) {
    this.credentials = credentials;
  }

  /** Opens a WebSocket. Rejects with the Status that the kubelet refused with, or an InternalError that says why it cannot be reached. */
  webSocket({ host, port, serverName }: KubeletAddress, path: string, protocol?: string): Promise<WebSocket> {
    // The types of ws do not know the name, which is handed on to TLS.
    const tls = { ...this.tls(), servername: serverName };
    const socket = new WebSocket(`wss://${authority(host)}:${port}${path}`, protocol === undefined ? [] : [protocol], {
      ...tls,
      perMessageDeflate: false,
      handshakeTimeout: 30_000,
      maxPayload: 0,
    });
    return new Promise((resolve, reject) => {
      // The server may speak in the same breath as it accepts: nothing is read before the caller listens.
      socket.once("open", () => {
        socket.pause();
        socket.on("error", () => {});
        resolve(socket);
      });
      socket.once("error", (error) => reject(unreachable(error)));
      socket.once("unexpected-response", (request, response) => {
        statusOf(response).then(reject, reject);
        response.once("close", () => request.destroy());
      });
    });
  }

  /** Sends a request; resolves when the answer begins. Rejects with an InternalError when the kubelet cannot be reached. */
  request({ host, port, serverName }: KubeletAddress, { method, path, headers, body, signal }: KubeletRequest): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const request = httpsRequest(
        { host, port, servername: serverName, method, path, headers, signal, agent: this.currentAgent() },
        resolve,
      );
      request.once("error", (error) => reject(unreachable(error)));
      if (body) body.pipe(request);
      else request.end();
    });
  }

  /** For connections of one's own: what TLS needs. */
  tls(): { cert: string; key: string; ca: string } {
    const { certificate, key, authorities } = this.credentials();
    return { cert: certificate, key, ca: authorities };
  }

  close(): void {
    this.agent?.agent.destroy();
  }

  private currentAgent(): Agent {
    const of = this.credentials();
    if (this.agent?.of.certificate === of.certificate && this.agent.of.authorities === of.authorities) return this.agent.agent;
    this.agent?.agent.destroy();
    const agent = new Agent({ ...this.tls(), keepAlive: true, maxFreeSockets: 4, timeout: 0 });
    this.agent = { of, agent };
    return agent;
  }
}

/** A host as a URL writes it. */
export function authority(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** The error that an answer other than success stands for: its Status, or its text with the reason that fits the code. */
export async function statusOf(response: IncomingMessage): Promise<StatusError> {
  const body = (await text(response)).trim();
  const code = response.statusCode ?? 500;
  if (body.startsWith("{")) {
    try {
      const status = JSON.parse(body) as Partial<Status>; // Another process wrote it: only a Status has this kind.
      if (status.kind === "Status") return new StatusError(status);
    } catch {
      // Not JSON after all: the text is the message.
    }
  }
  const message = body || (response.statusMessage ?? "");
  if (code === 404) return new StatusError({ code, reason: "NotFound", message, details: {} });
  if (code === 400) return badRequest(message);
  return new StatusError({ code, reason: code === 403 ? "Forbidden" : "InternalError", message, details: {} });
}

function unreachable(error: Error): StatusError {
  return internalError(`error dialing backend: ${error.message}`);
}
