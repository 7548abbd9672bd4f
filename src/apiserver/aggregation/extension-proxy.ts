import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import { serviceUnavailable } from "../../api/errors.ts";
import type { APIService } from "../../api/types/apiregistration.v1.ts";
import { networkError } from "../backends/network-error.ts";
import { tunnelBetween } from "../backends/tunnel.ts";
import type { ConnectRequest } from "../http/listener.ts";
import { connectionTo, type ExtensionParts, identityHeaders } from "./extension-connection.ts";

/** Headers that concern one connection only, and those by which the client has shown us who it is. */
const dropped = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "authorization",
  "http2-settings",
]);

/** Sends the request, as it is, to the extension server, with the user's identity. Throws a 503 when it cannot be reached. */
export async function serveExtension(parts: ExtensionParts, service: APIService, connect: ConnectRequest): Promise<void> {
  const { request, response, socket, head, user } = connect;
  const isUpgrade = response === undefined;
  const outgoing = httpsRequest({
    ...reachable(parts, service),
    method: request.method,
    path: request.url,
    headers: {
      ...forwarded(request),
      ...identityHeaders(user),
      ...(isUpgrade ? { Connection: "Upgrade", Upgrade: request.headers.upgrade } : {}),
    },
  });
  const answer = await new Promise<IncomingMessage | undefined>((resolve, reject) => {
    outgoing.once("response", resolve);
    outgoing.once("upgrade", (accepted, backend, first) => {
      join(socket, head, accepted, backend, first);
      resolve(undefined);
    });
    outgoing.on("error", (error) => reject(serviceUnavailable(`error trying to reach service: ${networkError(error)}`)));
    (response ?? socket).once("close", () => outgoing.destroy());
    request.pipe(outgoing);
  });
  if (!answer) return;
  if (response) passBack(answer, response);
  else refuse(answer, socket);
}

function reachable(parts: ExtensionParts, service: APIService): ReturnType<typeof connectionTo> {
  try {
    return connectionTo(parts, service);
  } catch {
    throw serviceUnavailable("service unavailable");
  }
}

function passBack(answer: IncomingMessage, response: ServerResponse): void {
  answer.on("error", () => response.destroy());
  response.writeHead(answer.statusCode ?? 502, kept(answer.headers));
  // A watch without events has begun all the same.
  response.flushHeaders();
  answer.pipe(response);
}

/** The extension server did not want the upgrade: its answer goes out as it is, then the connection ends. */
function refuse(answer: IncomingMessage, socket: Duplex): void {
  socket.write(headOf(answer, { ...kept(answer.headers), connection: "close" }));
  answer.pipe(socket);
}

function join(socket: Duplex, head: Buffer, accepted: IncomingMessage, backend: Duplex, first: Buffer): void {
  socket.write(headOf(accepted, accepted.headers));
  if (first.length > 0) socket.write(first);
  tunnelBetween(socket, head, backend);
}

function headOf({ statusCode, statusMessage }: IncomingMessage, headers: IncomingHttpHeaders | OutgoingHttpHeaders): string {
  const lines = Object.entries(headers).flatMap(([name, value]) => [value ?? []].flat().map((one) => `${name}: ${one}\r\n`));
  return `HTTP/1.1 ${statusCode} ${statusMessage}\r\n${lines.join("")}\r\n`;
}

function kept(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !dropped.has(name)));
}

function forwarded({ headers, socket }: IncomingMessage): OutgoingHttpHeaders {
  const passed = Object.entries(kept(headers)).filter(
    ([name]) => !name.startsWith("x-remote-") && !name.startsWith("impersonate-") && !name.startsWith(":"),
  );
  const before = headers["x-forwarded-for"];
  const client = socket.remoteAddress ?? "";
  return { ...Object.fromEntries(passed), "x-forwarded-for": before ? `${[before].flat().join(", ")}, ${client}` : client };
}
