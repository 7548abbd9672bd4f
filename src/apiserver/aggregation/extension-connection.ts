import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { type RequestOptions, request as httpsRequest } from "node:https";
import { text } from "node:stream/consumers";
import type { APIService } from "../../api/types/apiregistration.v1.ts";
import type { UserInfo } from "../../api/user.ts";
import type { SecureAgents } from "../backends/secure-agents.ts";
import { type Endpoint, resolveService } from "../backends/service-endpoint.ts";
import type { Objects } from "../objects.ts";

/** With what extension servers are reached. */
export interface ExtensionParts {
  objects: Objects;
  agents: SecureAgents;
  /** The front-proxy client certificate, by which extension servers believe the X-Remote headers; PEM. */
  proxyClient: () => { certificate: string; key: string } | undefined;
  /** 0 to 1; chooses among a Service's endpoints. */
  random: () => number;
}

/** The options of a request to an endpoint of the APIService's Service: TLS as its spec says. Throws an Error when there is no endpoint. */
export function connectionTo(parts: ExtensionParts, { spec }: APIService): RequestOptions & Endpoint {
  const { name = "", namespace = "", port = 443 } = spec.service ?? {};
  const authorities = spec.caBundle ? Buffer.from(spec.caBundle, "base64").toString() : undefined;
  const client = parts.proxyClient();
  const agent = parts.agents.agent({
    authorities,
    serverName: `${name}.${namespace}.svc`,
    insecure: spec.insecureSkipTLSVerify ?? false,
    ...(client ? { client } : {}),
  });
  return { ...resolveService(parts.objects, { namespace, name, port }, parts.random), agent };
}

/** The headers that tell an extension server who the user is; see "Configure the Aggregation Layer". */
export function identityHeaders({ name, uid, groups, extra = {} }: UserInfo): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = { "X-Remote-User": name, "X-Remote-Group": [...groups] };
  if (uid) headers["X-Remote-Uid"] = uid;
  for (const [key, values] of Object.entries(extra)) headers[`X-Remote-Extra-${encodeURIComponent(key)}`] = [...values];
  return headers;
}

const aggregator: UserInfo = { name: "system:kube-aggregator", groups: ["system:masters"] };

/** An answer to a question of the API server's own. */
export interface ExtensionAnswer {
  code: number;
  body: string;
  /** https://ADDRESS:PORT/path */
  url: string;
}

/** Asks an extension server in the aggregator's name. Rejects when it cannot be reached within the milliseconds. */
export async function askExtension(parts: ExtensionParts, service: APIService, path: string, patience: number): Promise<ExtensionAnswer> {
  const connection = connectionTo(parts, service);
  const { host, port } = connection;
  const headers = { Accept: "application/json", Host: `${host}:${port}`, ...identityHeaders(aggregator) };
  const signal = AbortSignal.timeout(patience);
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = httpsRequest({ ...connection, method: "GET", path, headers, signal }, resolve);
    request.on("error", reject);
    request.end();
  });
  return { code: answer.statusCode ?? 0, body: await text(answer), url: `https://${host}:${port}${path}` };
}
