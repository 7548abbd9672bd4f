import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { badRequest, StatusError } from "../../api/errors.ts";
import { channel } from "../../api/streaming/channels.ts";
import type { RemoteCommand } from "../../api/streaming/kubelet-paths.ts";
import type { Status } from "../../api/types/meta.v1.ts";
import type { Clock } from "../../lib/clock.ts";
import type { ClientInput, RemoteClient } from "./remote-client.ts";
import { SpdyConnection, type SpdyStream } from "./spdy/connection.ts";
import type { UpgradeRequest } from "./web-sockets.ts";

/** The streams of a command must be there within that time, and a client has that time to read its end. */
const creationTimeout = 30_000;
const lingering = 10_000;

/** Answers the upgrade to SPDY and gives the byte stream, with what has come along already put back. */
export function acceptSpdy({ socket, head }: UpgradeRequest, protocol: string): Duplex {
  const lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: SPDY/3.1"];
  if (protocol) lines.push(`X-Stream-Protocol-Version: ${protocol}`);
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  if (head.length > 0) socket.unshift(head);
  return socket;
}

/** The stream protocol that both know. Throws Forbidden when the client knows none of ours. */
export function chooseStreamProtocol({ headers }: IncomingMessage, known: readonly string[]): string {
  const offered = [headers["x-stream-protocol-version"] ?? []].flat().flatMap((text) => text.split(",").map((name) => name.trim()));
  if (offered.length === 0) return "";
  const found = known.find((name) => offered.includes(name));
  if (!found) {
    const message = `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(" ")}], server accepts [${known.join(" ")}]`;
    throw new StatusError({ code: 403, reason: "Forbidden", message, details: {} });
  }
  return found;
}

const protocols = ["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"];
const channelOf = new Map<string, number>(Object.entries(channel));

/** Accepts a client that speaks SPDY: one stream for each of error, stdin, stdout, stderr, resize. Rejects when they do not come. */
export async function acceptSpdyClient(upgrade: UpgradeRequest, options: RemoteCommand, clock: Clock): Promise<RemoteClient> {
  const protocol = chooseStreamProtocol(upgrade.request, protocols);
  const hasResize = protocol.startsWith("v4.") || protocol.startsWith("v3.");
  const wanted = ["error"];
  for (const name of ["stdin", "stdout"] as const) if (options[name]) wanted.push(name);
  // A terminal has one output.
  if (options.stderr && !options.tty) wanted.push("stderr");
  if (options.tty && hasResize) wanted.push("resize");
  const streams = new Map<number, SpdyStream>();
  let complete = (): void => {};
  const ready = new Promise<void>((resolve) => {
    complete = resolve;
  });
  const connection = new SpdyConnection(acceptSpdy(upgrade, protocol), (stream) => {
    const id = channelOf.get(stream.headers.get("streamtype") ?? "");
    if (id === undefined) return stream.destroy();
    streams.set(id, stream);
    if (wanted.every((name) => streams.has(channelOf.get(name) ?? -1))) complete();
  });
  const cancel = clock.after(creationTimeout, () => connection.close());
  const arrived = await Promise.race([ready.then(() => true), connection.closed.then(() => false)]);
  cancel();
  if (!arrived) throw badRequest("timed out waiting for client to create streams");
  return spdyClient(connection, streams, { json: protocol.startsWith("v4."), clock });
}

function spdyClient(
  connection: SpdyConnection,
  streams: ReadonlyMap<number, SpdyStream>,
  { json, clock }: { json: boolean; clock: Clock },
): RemoteClient {
  return {
    start(input) {
      void connection.closed.then(() => input.closed());
      const stdin = streams.get(channel.stdin);
      if (stdin) void pump(stdin, input);
      const resize = streams.get(channel.resize);
      resize?.on("data", (data: Buffer) => {
        // One JSON object after another, each small enough for one frame.
        for (const size of data.toString().match(/\{[^}]*\}/g) ?? []) input.data(channel.resize, Buffer.from(size));
      });
    },
    deliver(id, data) {
      const stream = streams.get(id);
      return !stream?.writable || stream.write(data) ? undefined : stream.drained();
    },
    finish(status: Status) {
      streams.get(channel.stdout)?.end();
      streams.get(channel.stderr)?.end();
      const error = streams.get(channel.error);
      if (json) error?.end(JSON.stringify(status));
      else error?.end(status.status === "Success" ? undefined : (status.message ?? ""));
      // The client closes when it has read all. Closing first could cut off what it has not read yet.
      const cancel = clock.after(lingering, () => connection.close());
      void connection.closed.then(cancel);
    },
  };
}

async function pump(stdin: SpdyStream, input: ClientInput): Promise<void> {
  try {
    for await (const data of stdin) await input.data(channel.stdin, data);
    input.ended(channel.stdin);
  } catch {
    // The stream was cut off: so is the connection, or the client has lost interest in its input.
  }
}
