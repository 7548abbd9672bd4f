import { connect, type Socket } from "node:net";
import { connect as connectTLS } from "node:tls";
import type { Container, HTTPGetAction } from "../../api/types/core.v1.ts";
import { systemClock } from "../../lib/clock.ts";
import { kubernetesVersion } from "../../lib/version.ts";
import { type ReplyHead, sendRequest } from "../http-head.ts";
import { type ProbeResult, resolvePort } from "./probe.ts";

/** One HTTP probe: any status from 200 to 399 is a success. Certificates are not verified. */
export async function probeHTTP(action: HTTPGetAction, container: Container, podIP: string, timeout: number): Promise<ProbeResult> {
  let url: URL;
  try {
    url = urlOf(action, container, podIP);
  } catch (error) {
    return { outcome: "unknown", output: String(error) };
  }
  try {
    const { status } = await get(url, headersOf(action, "kube-probe"), timeout);
    if (status >= 200 && status < 400) return { outcome: "success", output: "" };
    return { outcome: "failure", output: `HTTP probe failed with statuscode: ${status}` };
  } catch (error) {
    return { outcome: "failure", output: `Get "${url.href}": ${describe(error, url)}` };
  }
}

/** The GET of a lifecycle hook. Throws when it does not succeed. */
export async function hookHTTP(action: HTTPGetAction, container: Container, podIP: string, timeout: number): Promise<void> {
  const { status } = await get(urlOf(action, container, podIP), headersOf(action, "kube-lifecycle"), timeout);
  if (status >= 400) throw new Error(`HTTP hook failed with statuscode: ${status}`);
}

/** The path may carry a query: it goes as it is. */
function urlOf(action: HTTPGetAction, container: Container, podIP: string): URL {
  const host = action.host || podIP;
  const path = action.path ?? "/";
  const scheme = (action.scheme ?? "HTTP").toLowerCase();
  return new URL(
    `${scheme}://${host.includes(":") ? `[${host}]` : host}:${resolvePort(action.port, container)}${path.startsWith("/") ? "" : "/"}${path}`,
  );
}

function headersOf(action: HTTPGetAction, agent: string): Record<string, string> {
  const headers: Record<string, string> = { "User-Agent": `${agent}/${kubernetesVersion.major}.${kubernetesVersion.minor}`, Accept: "*/*" };
  for (const { name, value } of action.httpHeaders ?? []) {
    const key = Object.keys(headers).find((h) => h.toLowerCase() === name.toLowerCase());
    if (key) delete headers[key];
    if (value !== "" || !key) headers[name] = value;
  }
  return headers;
}

/** The answer after redirects within the pod. Rejects when the time is over. */
async function get(url: URL, headers: Record<string, string>, timeout: number): Promise<ReplyHead> {
  let [at, socket]: [URL, Socket | undefined] = [url, undefined];
  const cancel = systemClock.after(timeout, () => socket?.destroy(new DeadlineError()));
  try {
    for (let hops = 0; ; hops++) {
      socket = connectTo(at);
      const answer = await sendRequest(socket, requestText(at, headers));
      drain(socket);
      const location = answer.header("location");
      if (answer.status < 300 || answer.status >= 400 || !location || hops === 10) return answer;
      const next = new URL(location, at);
      if (next.hostname !== url.hostname) return answer; // a redirect elsewhere is an answer: the pod is alive
      at = next;
    }
  } finally {
    cancel();
  }
}

class DeadlineError extends Error {}

function connectTo({ protocol, hostname, port }: URL): Socket {
  const host = hostname.replace(/^\[|\]$/g, "");
  if (protocol !== "https:") return connect({ host, port: Number(port || 80) });
  return connectTLS({ host, port: Number(port || 443), rejectUnauthorized: false });
}

function requestText(url: URL, headers: Record<string, string>): string {
  const host = Object.keys(headers).some((name) => name.toLowerCase() === "host") ? "" : `Host: ${url.host}\r\n`;
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value.replace(/[\r\n]/g, " ")}\r\n`);
  return `GET ${url.pathname}${url.search} HTTP/1.1\r\n${host}${lines.join("")}Connection: close\r\n\r\n`;
}

/** Reads some of the body, so that the server need not see its reply refused, and lets go: nobody asks what it says. */
function drain(socket: Socket): void {
  let left = 10_240;
  socket.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) socket.destroy();
  });
  socket.on("error", () => {});
  socket.setTimeout(1000, () => socket.destroy());
  socket.resume();
}

/** In Go's words, which users search for. */
function describe(error: unknown, url: URL): string {
  const { code } = error as NodeJS.ErrnoException; // what node:net emits
  if (error instanceof DeadlineError) return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
  if (code === "ECONNREFUSED") return `dial tcp ${url.host}: connect: connection refused`;
  if (code === "EHOSTUNREACH") return `dial tcp ${url.host}: connect: no route to host`;
  if (code === "ECONNRESET") return `read tcp ${url.host}: read: connection reset by peer`;
  return error instanceof Error ? error.message : String(error);
}
