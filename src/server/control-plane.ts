import { createServer, type Server } from "node:https";
import { DEFAULT_CIPHERS } from "node:tls";
import { SignJWT } from "jose";
import { createAdmission } from "../apiserver/admission/index.ts";
import { AwaitedAnswers } from "../apiserver/admission/awaited-answers.ts";
import { policyAdmission } from "../apiserver/admission/policy/index.ts";
import { webhookAdmission, type WebhookAdmissionOptions } from "../apiserver/admission/webhooks/webhooks.ts";
import { type ApiServer, createApiServer } from "../apiserver/apiserver.ts";
import { createAuthentication } from "../apiserver/authentication/index.ts";
import { type Authorization, createAuthorization } from "../apiserver/authorization/index.ts";
import { bootstrap, type BootstrapWriter, type ServerFacts } from "../apiserver/bootstrap/index.ts";
import { Namespaces, Secrets } from "../api/types/resources.ts";
import { generateName } from "../api/meta/names.ts";
import type { RequestLimits } from "../apiserver/fairness/gate.ts";
import type { HealthCheck } from "../apiserver/health.ts";
import type { Audit } from "../apiserver/audit/audit.ts";
import type { Encryption } from "../apiserver/encryption/encryption.ts";
import { createStreaming, type KubeletCredentials } from "../apiserver/streaming/index.ts";
import { resourceMetrics } from "../apiserver/resource-metrics/resource-metrics.ts";
import { storeObjects } from "../apiserver/store-objects.ts";
import type { Caches } from "../client/cache.ts";
import { createCaches } from "../client/caches.ts";
import { Client } from "../client/client.ts";
import type { ControllerFactory } from "../client/controller.ts";
import { createEventRecorder } from "../client/event-recorder.ts";
import { runController } from "../client/runner.ts";
import { startControllers } from "../controllers/index.ts";
import type { ClusterSettings } from "../controllers/settings.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import type { Pki } from "../pki/pki.ts";
import { createScheduler } from "../scheduler/scheduler.ts";
import { startHistory } from "../store/history-window.ts";
import type { Store } from "../store/store.ts";
import type { Access } from "./access.ts";
import { createLocalTransport } from "./local-transport.ts";
import type { Port } from "./port.ts";

/** What the control plane is made from. */
export interface ControlPlaneOptions {
  store: Store;
  pki: Pki;
  clock: Clock;
  log: Logger;
  /** Where the API is served. */
  port: Port;
  /** The address that pods and agents reach the server at. */
  address: string;
  serviceCIDR: string;
  /** "30000-32767" */
  nodePortRange: string;
  limits: RequestLimits;
  serviceAddress: string;
  clusterCIDR: string;
  /** Of service account tokens; the first one issues them. */
  issuers: readonly string[];
  access: Access;
  /** The text of a --token-auth-file. */
  tokenFile: string | undefined;
  /** Encryption at rest, when there is any. */
  encryption: Encryption | undefined;
  /** Who is told of requests, if anybody. */
  audit: Audit | undefined;
  storagePath: string;
  localStorage: boolean;
  /** Whether the built-in Ingress controller's class is made. */
  ingress: boolean;
  /** Whether metrics.k8s.io is served. */
  resourceMetrics: boolean;
  /** Controllers beside those of src/controllers. */
  controllers: readonly ControllerFactory[];
}

/** The control plane of one process: API server, controllers, scheduler. */
export interface ControlPlane {
  readonly client: Client;
  readonly caches: Caches;
  readonly api: ApiServer;
  /** Brings about what every cluster holds. */
  bootstrap(): Promise<void>;
  /** Controllers and scheduler begin to work, and the server tells that it is ready. */
  startControllers(): void;
  /** Stops everything but the store, in the reverse order of its start. */
  stop(): Promise<void>;
}

/** Serves the API; it is ready after bootstrap and startControllers. */
export function startControlPlane(options: ControlPlaneOptions): ControlPlane {
  const { store, clock, log } = options;
  const objects = storeObjects(store);
  const authorization = createAuthorization(objects, options.access.authorizers);
  options.access.onAuthorizers(authorization.use);
  let isReady = false;
  const started: HealthCheck = {
    name: "poststarthook/rbac/bootstrap-roles",
    check: () => (isReady ? undefined : "not finished"),
  };
  const { api, close: closeConnections } = buildApi(options, objects, authorization, started);
  options.port.serve(httpsServer(options.pki, api));
  const client = new Client(createLocalTransport(api));
  const caches = createCaches(client.transport, clock, log);
  const stopHistory = startHistory(store, {
    clock,
    failed: (error) => log.warn({ error: String(error) }, "history could not be compacted"),
  });
  const running: { stop(): Promise<void> | void }[] = [];
  return {
    client,
    caches,
    api,
    async bootstrap() {
      const writer: BootstrapWriter = {
        create: (resource, object) => client.create(resource, object),
        update: (resource, object, subresource) => client.update(resource, object, subresource ? { subresource } : {}),
      };
      await bootstrap({ objects, writer, facts: serverFacts(options), clock });
    },
    startControllers() {
      isReady = true;
      const settings = clusterSettings(options);
      const controllers = client.as("kube-controller-manager");
      running.push(startControllers({ client: controllers, caches, clock, log }, undefined, settings));
      for (const create of options.controllers) {
        const context = {
          client: controllers,
          caches,
          clock,
          log,
          events: createEventRecorder(controllers, clock, log, { component: "hue" }),
        };
        running.push(runController(create(context), context));
      }
      const schedulers = client.as("kube-scheduler");
      const scheduler = createScheduler({
        client: schedulers,
        caches,
        clock,
        log,
        events: createEventRecorder(schedulers, clock, log, { component: "default-scheduler" }),
      });
      scheduler.start();
      running.push(scheduler);
    },
    async stop() {
      stopHistory();
      for (const part of running.reverse()) await part.stop();
      caches.stop();
      client.transport.close();
      closeConnections();
      await options.port.close();
      api.close();
      authorization.close();
    },
  };
}

function buildApi(
  options: ControlPlaneOptions,
  objects: ReturnType<typeof storeObjects>,
  authorization: Authorization,
  started: HealthCheck,
): { api: ApiServer; close(): void } {
  const { store, pki, clock, log } = options;
  const own = (): Client => new Client(createLocalTransport(api));
  const authentication = createAuthentication({
    objects,
    clock,
    clientAuthorities: pki.authority("client"),
    requestHeader: { authorities: pki.authority("frontProxy"), allowedNames: ["front-proxy-client"] },
    serviceAccounts: {
      signingKey: pki.serviceAccountKey.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      issuers: options.issuers,
      labelSecret(namespace, name, labels) {
        // Gone in the meantime, or written by another at the same time: the next use tells again.
        own()
          .patch(Secrets, { namespace, name }, { type: "merge", body: { metadata: { labels } } })
          .catch(() => {});
      },
    },
    tokens: options.access.tokens,
    anonymous: options.access.anonymous,
    ...(options.tokenFile === undefined ? {} : { tokenFile: options.tokenFile }),
  });
  const answers = new AwaitedAnswers(authorization);
  const dynamic: WebhookAdmissionOptions = {
    objects,
    registry: () => api.registry,
    authorize: (attributes, request) => answers.authorize(attributes, request),
    log,
  };
  const webhooks = webhookAdmission(dynamic);
  const policies = policyAdmission(dynamic);
  const expressions = [...policies.plugins, ...webhooks.plugins];
  const admission = createAdmission({
    objects,
    clock,
    nameSuffix: () => generateName(""),
    isAllowed: authorization.isAllowed,
    registry: () => api.registry,
    async createNamespace(name) {
      await own().create(Namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name }, spec: {} });
    },
    ...options.access.admission,
    more: [
      ...(options.access.mayWait ? expressions.map((plugin) => answers.completing(plugin)) : expressions),
      authorization.escalationPrevention,
    ],
  });
  const streaming = createStreaming({ objects, clock, kubeletCredentials: kubeletCredentials(pki), admission, check: authorization.check });
  const { serviceCIDR } = options;
  const [first = 0, last = 0] = options.nodePortRange.split("-").map(Number);
  const { connect } = streaming;
  const { encryption } = options;
  const resources = options.resourceMetrics ? resourceMetrics({ objects, clock, kubelets: streaming.kubelets }) : [];
  const api: ApiServer = createApiServer({
    store,
    clock,
    log,
    authentication,
    authorization,
    admission,
    objects,
    serviceCIDR,
    nodePorts: { first, last },
    limits: options.limits,
    connect,
    resources,
    proxyClient: () => pki.client("front-proxy-client"),
    makeListener: options.audit?.makeListener,
    healthChecks: encryption ? [started, encryption.healthCheck] : [started],
    metrics: (registry) => [...(encryption?.metrics(store, registry) ?? []), ...options.access.metrics()],
  });
  return {
    api,
    close() {
      streaming.close();
      webhooks.close();
      policies.close();
    },
  };
}

/** The same object until it is renewed: connections to kubelets are kept by it. */
function kubeletCredentials(pki: Pki): () => KubeletCredentials {
  const make = (): KubeletCredentials => ({ ...pki.client("apiserver-kubelet-client"), authorities: pki.authority("server") });
  let current = make();
  pki.onRenewed(() => {
    current = make();
  });
  return () => current;
}

/** AES with 128 bits first, which costs less than with 256 and is what Kubernetes' own servers choose. */
const ciphers = ["TLS_AES_128_GCM_SHA256", ...DEFAULT_CIPHERS.split(":").filter((cipher) => cipher !== "TLS_AES_128_GCM_SHA256")].join(":");

function httpsServer(pki: Pki, api: ApiServer): Server {
  const secrets = () => ({
    key: pki.serving.key,
    cert: pki.serving.certificate,
    ca: pki.authority("client") + pki.authority("frontProxy"),
    minVersion: "TLSv1.2" as const,
    ciphers,
  });
  const https = createServer({
    ...secrets(),
    requestCert: true,
    rejectUnauthorized: false,
    keepAliveTimeout: 120_000,
    // A request without a body is no stream that has to be ended and closed.
    optimizeEmptyRequests: true,
  });
  pki.onRenewed(() => https.setSecureContext(secrets()));
  https.on("request", api.listener.request);
  https.on("upgrade", api.listener.upgrade);
  return https;
}

function serverFacts(options: ControlPlaneOptions): ServerFacts {
  const { pki, address } = options;
  const port = options.port.number;
  return {
    address,
    port,
    serviceCIDR: options.serviceCIDR,
    serviceAddress: options.serviceAddress,
    clientAuthorities: pki.authority("client"),
    requestHeader: { authorities: pki.authority("frontProxy"), allowedNames: ["front-proxy-client"] },
    url: `https://${address}:${port}`,
    serverAuthorities: pki.authority("server"),
    localPath: options.localStorage,
    ingress: options.ingress,
  };
}

function clusterSettings({ pki, clusterCIDR, storagePath, clock }: ControlPlaneOptions): ClusterSettings {
  const { privateKey, algorithm, kid } = pki.serviceAccountKey;
  return {
    clusterCIDR,
    storagePath,
    rootCA: () => pki.authority("server"),
    signCertificate: (authority, request, grant) => pki.signRequest(authority, request, grant),
    signToken: ({ namespace, serviceAccount, uid, secret }) =>
      new SignJWT({
        "kubernetes.io/serviceaccount/namespace": namespace,
        "kubernetes.io/serviceaccount/secret.name": secret,
        "kubernetes.io/serviceaccount/service-account.name": serviceAccount,
        "kubernetes.io/serviceaccount/service-account.uid": uid,
      })
        .setProtectedHeader({ alg: algorithm, kid })
        .setIssuer("kubernetes/serviceaccount")
        .setSubject(`system:serviceaccount:${namespace}:${serviceAccount}`)
        .setIssuedAt(Math.floor(clock.now() / 1000))
        .sign(privateKey),
  };
}
