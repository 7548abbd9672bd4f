import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { KubeObject } from "../../../src/api/meta/object.ts";
import { ClusterRoles, ClusterRoleBindings, Namespaces } from "../../../src/api/types/resources.ts";
import { AwaitedAnswers } from "../../../src/apiserver/admission/awaited-answers.ts";
import { createAdmission } from "../../../src/apiserver/admission/index.ts";
import { policyAdmission } from "../../../src/apiserver/admission/policy/index.ts";
import { webhookAdmission, type WebhookAdmissionOptions } from "../../../src/apiserver/admission/webhooks/webhooks.ts";
import { type ApiServer, type ApiServerOptions, createApiServer } from "../../../src/apiserver/apiserver.ts";
import { createAuthentication } from "../../../src/apiserver/authentication/index.ts";
import { type Authorization, createAuthorization } from "../../../src/apiserver/authorization/index.ts";
import { storeObjects } from "../../../src/apiserver/store-objects.ts";
import { Client } from "../../../src/client/client.ts";
import { type Clock, systemClock } from "../../../src/lib/clock.ts";
import { silentLogger } from "../../../src/lib/log.ts";
import { type Credentials, issueAuthority, issueLeaf, newKey } from "../../../src/pki/issue.ts";
import { createLocalTransport } from "../../../src/server/local-transport.ts";
import { openStore } from "../../../src/store/open.ts";
import type { Store } from "../../../src/store/store.ts";

/** The answer to a request of a test. */
export interface Answer {
  code: number;
  headers: Headers;
  text: string;
  /** The parsed body; {} when it is no JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any;
}

/** A whole API server over a store in memory, with authentication, RBAC and all admission; users by token: admin, alice. */
export interface RunningServer {
  server: ApiServer;
  store: Store;
  client: Client;
  /** https://127.0.0.1:PORT */
  url: string;
  authority: Credentials;
  authorization: Authorization;
  request(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  stop(): Promise<void>;
}

/** Makes the account that pods in the namespace default run as: controllers do so in a whole cluster. */
export function makeDefaultAccount({ request }: Pick<RunningServer, "request">): Promise<Answer> {
  return request("POST", "/api/v1/namespaces/default/serviceaccounts", { metadata: { name: "default" } });
}

const year = 365 * 24 * 60 * 60_000;

/** Starts one, with the namespaces default and kube-system. Listens on HTTPS only when asked. */
export async function startServer(options: Partial<ApiServerOptions> & { listen?: boolean } = {}): Promise<RunningServer> {
  const clock: Clock = options.clock ?? systemClock;
  const store = options.store ?? (await openStore({ path: "memory" }));
  const objects = storeObjects(store);
  const authorityKey = newKey();
  const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + year };
  const authority = { key: authorityKey, certificate: issueAuthority("test", authorityKey, validity) };
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const authentication = createAuthentication({
    objects,
    clock,
    clientAuthorities: authority.certificate,
    serviceAccounts: { signingKey: privateKey.export({ type: "pkcs8", format: "pem" }).toString() },
    tokenFile: 'admin,admin,admin,"system:masters"\nalice,alice,alice,\n',
  });
  const authorization = createAuthorization(objects);
  const answers = new AwaitedAnswers(authorization);
  const dynamic: WebhookAdmissionOptions = {
    objects,
    registry: () => server.registry,
    authorize: (attributes, request) => answers.authorize(attributes, request),
    log: silentLogger,
  };
  const webhooks = webhookAdmission(dynamic);
  const policies = policyAdmission(dynamic);
  const admission = createAdmission({
    objects,
    clock,
    nameSuffix: () => "abcde",
    isAllowed: authorization.isAllowed,
    registry: () => server.registry,
    more: [...policies.plugins, ...webhooks.plugins, authorization.escalationPrevention],
  });
  const server: ApiServer = createApiServer({
    store,
    clock,
    log: silentLogger,
    authentication,
    authorization,
    admission,
    objects,
    ...options,
  });
  const client = new Client(createLocalTransport(server));
  if (!options.store)
    for (const name of ["default", "kube-system"])
      await client.create(Namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name }, spec: {} });
  if (!options.store) await allowDiscovery(client);
  const https = options.listen === false ? undefined : await listen(server, authority);
  const url = https ? `https://127.0.0.1:${(https.address() as AddressInfo).port}` : "";
  return {
    server,
    store,
    client,
    url,
    authority,
    authorization,
    request: (method, path, body, headers) => request(url + path, method, body, headers),
    async stop() {
      client.transport.close();
      authorization.close();
      webhooks.close();
      policies.close();
      server.close();
      https?.closeAllConnections();
      await new Promise((resolve) => (https ? https.close(resolve) : resolve(undefined)));
      if (!options.store) await store.close();
    },
  };
}

async function allowDiscovery(client: Client): Promise<void> {
  const rules = [
    { verbs: ["create"], apiGroups: ["authorization.k8s.io"], resources: ["selfsubjectaccessreviews", "selfsubjectrulesreviews"] },
    { verbs: ["get"], nonResourceURLs: ["/version", "/api", "/api/*", "/apis", "/apis/*", "/openapi/*", "/healthz", "/readyz"] },
  ];
  const metadata = { name: "discovery" };
  await client.create(ClusterRoles, { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata, rules });
  await client.create(ClusterRoleBindings, {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata,
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "discovery" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: "system:authenticated" }],
  });
}

async function listen(server: ApiServer, authority: Credentials): Promise<Server> {
  const key = newKey();
  const spec = { commonName: "apiserver", names: ["127.0.0.1", "localhost"], usages: ["server auth"] as const };
  const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + year };
  const cert = issueLeaf(authority, createPublicKey(key), spec, validity);
  const tls = { key, cert, ca: authority.certificate, requestCert: true, rejectUnauthorized: false };
  const https = createServer({ ...tls, optimizeEmptyRequests: true });
  https.on("request", server.listener.request);
  https.on("upgrade", server.listener.upgrade);
  await new Promise<void>((resolve) => https.listen(0, "127.0.0.1", resolve));
  return https;
}

async function request(url: string, method: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const { Agent, fetch } = await import("undici");
  const response = await fetch(url, {
    method,
    headers: { authorization: "Bearer admin", ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    dispatcher: (agent ??= new Agent({ connect: { rejectUnauthorized: false } })),
  });
  const text = await response.text();
  return { code: response.status, headers: new Headers([...response.headers]), text, body: parsed(text) };
}

let agent: import("undici").Agent | undefined;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** A ConfigMap for tests. */
export function configMap(
  name: string,
  data: Record<string, string> = {},
  metadata: object = {},
): KubeObject & { data: Record<string, string> } {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default", ...metadata }, data };
}
