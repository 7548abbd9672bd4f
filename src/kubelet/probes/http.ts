import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Container, HTTPGetAction } from "../../api/types/core.v1.ts";
import { kubernetesVersion } from "../../lib/version.ts";
import { type ProbeResult, resolvePort } from "./probe.ts";

/** The answer to a GET: its status, the beginning of its body. */
interface Answer {
  status: number;
  location: string | undefined;
  body: string;
}

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

async function get(url: URL, headers: Record<string, string>, timeout: number): Promise<Answer> {
  const signal = AbortSignal.timeout(timeout);
  let at = url;
  for (let hops = 0; ; hops++) {
    const answer = await once(at, headers, signal);
    if (answer.status < 300 || answer.status >= 400 || !answer.location || hops === 10) return answer;
    const next = new URL(answer.location, at);
    if (next.hostname !== url.hostname) return answer; // a redirect elsewhere is an answer: the pod is alive
    at = next;
  }
}

function once(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = url.protocol === "https:" ? httpsRequest : httpRequest;
    const call = request(url, { headers, signal, agent: false, rejectUnauthorized: false }, (response) => {
      let [size, body] = [0, ""];
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (body.length < 10_240) body += chunk.toString();
        if (size > 10_240) response.destroy();
      });
      response.on("close", () => resolve({ status: response.statusCode ?? 0, location: response.headers.location, body }));
      response.on("error", () => {});
    });
    call.on("error", reject);
    call.end();
  });
}

/** In Go's words, which users search for. */
function describe(error: unknown, url: URL): string {
  const { code, name } = error as NodeJS.ErrnoException; // what node:http emits
  if (name === "TimeoutError" || name === "AbortError" || code === "ABORT_ERR")
    return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
  if (code === "ECONNREFUSED") return `dial tcp ${url.host}: connect: connection refused`;
  if (code === "EHOSTUNREACH") return `dial tcp ${url.host}: connect: no route to host`;
  if (code === "ECONNRESET") return `read tcp ${url.host}: read: connection reset by peer`;
  return error instanceof Error ? error.message : String(error);
}
