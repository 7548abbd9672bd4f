import type { ProbeResult } from "./probe.ts";

const serving = 1;

/** One probe by grpc.health.v1.Health/Check: the status SERVING is a success. The timeout in milliseconds. */
export async function probeGRPC(host: string, port: number, service: string, timeout: number): Promise<ProbeResult> {
  const { connect } = await import("node:http2"); // 3 MB that few clusters need
  return new Promise((resolve) => {
    const session = connect(`http://${host.includes(":") ? `[${host}]` : host}:${port}`);
    const failure = (output: string): ProbeResult => ({ outcome: "failure", output });
    let over = false;
    const end = (result: ProbeResult): void => {
      if (over) return;
      over = true;
      session.destroy();
      resolve(result);
    };
    const late = AbortSignal.timeout(timeout);
    late.addEventListener("abort", () =>
      end(failure(`timeout: failed to connect service "${host}:${port}" within ${timeout / 1000}s: context deadline exceeded`)),
    );
    session.on("error", () => end(failure(`failed to connect service "${host}:${port}": connection refused`)));
    const call = session.request({
      ":method": "POST",
      ":path": "/grpc.health.v1.Health/Check",
      "content-type": "application/grpc",
      te: "trailers",
    });
    const chunks: Buffer[] = [];
    let status = "";
    const noteStatus = (headers: Record<string, unknown>): void => {
      if (headers["grpc-status"] !== undefined) status = String(headers["grpc-status"]);
    };
    call.on("response", noteStatus);
    call.on("trailers", noteStatus);
    call.on("data", (chunk: Buffer) => chunks.push(chunk));
    call.on("error", () => end(failure("health rpc probe failed")));
    call.on("end", () => {
      // The trailers come with the end of the stream, in either order.
      setImmediate(() => end(verdict(status, Buffer.concat(chunks))));
    });
    call.end(encodeRequest(service));
  });
}

/** A gRPC message: not compressed, its length, then field 1 with the service's name. */
function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service);
  const body = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

function verdict(status: string, reply: Buffer): ProbeResult {
  if (status === "12")
    return { outcome: "failure", output: "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)" };
  if (status !== "0" && status !== "") return { outcome: "failure", output: `error: health rpc probe failed: rpc error: code = ${status}` };
  // Field 1 of the reply is the status; a message without it says UNKNOWN.
  const state = reply[5] === 0x08 ? (reply[6] ?? 0) : 0;
  if (state === serving) return { outcome: "success", output: "" };
  const names = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
  return { outcome: "failure", output: `service unhealthy (responded with "${names[state] ?? state}")` };
}
