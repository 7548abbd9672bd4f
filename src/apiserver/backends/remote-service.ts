import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { type Clock, sleep } from "../../lib/clock.ts";
import { anything, boolean, list, object, readConfiguration, text } from "../configuration/shape.ts";
import { networkError } from "./network-error.ts";
import { type Answer, post, statusText } from "./post.ts";
import { SecureAgents } from "./secure-agents.ts";

/** A server outside that is asked by posting to it: a webhook for tokens, authorisation or images. */
export interface RemoteService {
  /** Posts the review and gives what comes back, parsed. Throws an Error in Kubernetes' words after the last try. */
  ask(review: object): Promise<unknown>;
  close(): void;
}

/** How such a server is asked. */
export interface RemoteServiceOptions {
  clock: Clock;
  /** Milliseconds until a try is given up. Default 30,000. */
  timeout?: number;
  /** Milliseconds before the second try; each further pause is half as long again. Default 500. */
  pause?: number;
  /** Whatever goes wrong is tried again; default: only what passes by itself. */
  patient?: boolean;
  /** 0 to 1. Default Math.random. */
  random?: () => number;
}

const tries = 5;
/** What passes by itself, as client-go sees it. */
const passing = new Set([429, 500, 502, 503, 504]);

const clusterFields = {
  ...{ server: text, "certificate-authority": text, "certificate-authority-data": text, "insecure-skip-tls-verify": boolean },
  ...{ "tls-server-name": text, extensions: anything },
};
const userFields = {
  ...{ "client-certificate": text, "client-certificate-data": text, "client-key": text, "client-key-data": text },
  ...{ token: text, tokenFile: text, username: text, password: text, extensions: anything },
};
const kubeconfig = {
  versions: ["v1"],
  kind: "Config",
  fields: {
    clusters: list(object({ name: text, cluster: object(clusterFields) })),
    users: list(object({ name: text, user: object(userFields) })),
    contexts: list(object({ name: text, context: object({ cluster: text, user: text, namespace: text, extensions: anything }) })),
    "current-context": text,
    preferences: anything,
    extensions: anything,
  },
};

/** The server that a kubeconfig file names. Rejects with an Error that says what is wrong with the file. */
export async function remoteService(path: string, options: RemoteServiceOptions): Promise<RemoteService> {
  try {
    return connection(await targetOf(path), options);
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : error}`);
  }
}

/** What is known of the server. */
interface Target {
  url: URL;
  serverName: string;
  authorities: string | undefined;
  insecure: boolean;
  client?: { certificate: string; key: string };
  authorization(): Promise<string | undefined>;
}

async function targetOf(path: string): Promise<Target> {
  const config = readConfiguration(await readFile(path, "utf8"), kubeconfig);
  const context = config.contexts?.find(({ name }) => name === config["current-context"])?.context;
  if (!context) throw new Error("current-context names no context");
  const cluster = config.clusters?.find(({ name }) => name === context.cluster)?.cluster;
  if (!cluster?.server) throw new Error(`the cluster ${JSON.stringify(context.cluster ?? "")} has no server`);
  const url = new URL(cluster.server);
  if (url.protocol !== "https:") throw new Error(`the server ${cluster.server} must be asked over https`);
  const user = config.users?.find(({ name }) => name === context.user)?.user ?? {};
  const pem = async (data: string | undefined, file: string | undefined): Promise<string | undefined> => {
    if (data) return Buffer.from(data, "base64").toString();
    return file ? readFile(resolve(dirname(path), file), "utf8") : undefined;
  };
  const certificate = await pem(user["client-certificate-data"], user["client-certificate"]);
  const key = await pem(user["client-key-data"], user["client-key"]);
  const basic = user.username ? `Basic ${Buffer.from(`${user.username}:${user.password ?? ""}`).toString("base64")}` : undefined;
  return {
    url,
    serverName: cluster["tls-server-name"] || url.hostname.replace(/^\[|\]$/g, ""),
    authorities: await pem(cluster["certificate-authority-data"], cluster["certificate-authority"]),
    insecure: cluster["insecure-skip-tls-verify"] ?? false,
    ...(certificate && key ? { client: { certificate, key } } : {}),
    // A token in a file is changed there from time to time.
    async authorization() {
      const token = user.tokenFile ? (await readFile(resolve(dirname(path), user.tokenFile), "utf8")).trim() : user.token;
      return token ? `Bearer ${token}` : basic;
    },
  };
}

function connection(target: Target, options: RemoteServiceOptions): RemoteService {
  const { clock, timeout = 30_000, pause = 500, patient = false, random = Math.random } = options;
  const agents = new SecureAgents();
  const { url } = target;
  const once = async (body: string): Promise<Answer> => {
    const authorization = await target.authorization();
    const headers = { Host: url.host, "Content-Type": "application/json", Accept: "application/json, */*", "User-Agent": "hue" };
    return post(
      {
        agent: agents.agent(target),
        host: url.hostname.replace(/^\[|\]$/g, ""),
        port: Number(url.port || 443),
        path: url.pathname + url.search,
        headers: authorization ? { ...headers, Authorization: authorization } : headers,
        signal: AbortSignal.timeout(timeout),
      },
      body,
    );
  };
  return {
    async ask(review) {
      const body = JSON.stringify(review);
      for (let left = tries - 1, wait = pause; ; left--, wait *= 1.5) {
        let answer: Answer | undefined;
        let failure: unknown;
        try {
          answer = await once(body);
        } catch (error) {
          failure = error;
        }
        if (answer && answer.code >= 200 && answer.code < 300) return answer.body ? JSON.parse(answer.body) : undefined;
        if (left === 0 || !(patient || (answer ? passing.has(answer.code) : isPassing(failure))))
          throw new Error(answer ? statusText(answer) : `Post ${JSON.stringify(url.href)}: ${networkError(failure)}`);
        await sleep(clock, answer?.retryAfter ? answer.retryAfter * 1000 : wait * (1 + random() * 0.2));
      }
    },
    close: () => agents.close(),
  };
}

function isPassing(error: unknown): boolean {
  return error instanceof Error && (error.name === "TimeoutError" || ("code" in error && error.code === "ECONNRESET"));
}
