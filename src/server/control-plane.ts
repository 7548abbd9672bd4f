import { createServer, type Server } from "node:https";
import { once } from "node:events";
import { SignJWT } from "jose";
import { createAdmission } from "../apiserver/admission/index.ts";
import { webhookAdmission } from "../apiserver/admission/webhooks/webhooks.ts";
import { type ApiServer, createApiServer } from "../apiserver/apiserver.ts";
import { createAuthentication } from "../apiserver/authentication/index.ts";
import { type Authorization, createAuthorization } from "../apiserver/authorization/index.ts";
import { bootstrap, type BootstrapWriter, type ServerFacts } from "../apiserver/bootstrap/index.ts";
import { generateName } from "../api/meta/names.ts";
import type { HealthCheck } from "../apiserver/health.ts";
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
import { createLocalTransport } from "./local-transport.ts";

/** What the control plane is made from. */
export interface ControlPlaneOptions {
  store: Store;
  pki: Pki;
  clock: Clock;
  log: Logger;
  bindAddress: string;
  /** 0: any free port. */
  port: number;
  /** The address that pods and agents reach the server at. */
  address: string;
  serviceCIDR: string;
  serviceAddress: string;
  clusterCIDR: string;
  clusterDomain: string;
  /** The text of a --token-auth-file. */
  tokenFile: string | undefined;
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
  readonly port: number;
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

/** Serves the API; it is ready after bootstrap and startControllers. Rejects with a sentence for the user when the port cannot be had. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { store, clock, log } = options;
  const objects = storeObjects(store);
  const authorization = createAuthorization(objects);
  let isReady = false;
  const started: HealthCheck = {
    name: "poststarthook/rbac/bootstrap-roles",
    check: () => (isReady ? undefined : "not finished"),
  };
  const { api, close: closeConnections } = buildApi(options, objects, authorization, started);
  const https = await listen(options, api);
  const address = https.address();
  const port = typeof address === "object" && address ? address.port : options.port;
  const client = new Client(createLocalTransport(api));
  const caches = createCaches(client.transport, clock, log);
  const stopHistory = startHistory(store, {
    clock,
    failed: (error) => log.warn({ error: String(error) }, "history could not be compacted"),
  });
  const running: { stop(): Promise<void> | void }[] = [];
  return {
    port,
    client,
    caches,
    api,
    async bootstrap() {
      const writer: BootstrapWriter = {
        create: (resource, object) => client.create(resource, object),
        update: (resource, object, subresource) => client.update(resource, object, subresource ? { subresource } : {}),
      };
      await bootstrap({ objects, writer, facts: serverFacts(options, port), clock });
    },
    startControllers() {
      isReady = true;
      const settings = clusterSettings(options);
      running.push(startControllers({ client, caches, clock, log }, undefined, settings));
      for (const create of options.controllers) {
        const context = { client, caches, clock, log, events: createEventRecorder(client, clock, log, { component: "hue" }) };
        running.push(runController(create(context), context));
      }
      const scheduler = createScheduler({
        client,
        caches,
        clock,
        log,
        events: createEventRecorder(client, clock, log, { component: "default-scheduler" }),
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
      await closeServer(https);
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
  const authentication = createAuthentication({
    objects,
    clock,
    clientAuthorities: pki.authority("client"),
    requestHeader: { authorities: pki.authority("frontProxy"), allowedNames: ["front-proxy-client"] },
    serviceAccounts: {
      signingKey: pki.serviceAccountKey.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      issuers: [`https://kubernetes.default.svc.${options.clusterDomain}`],
    },
    ...(options.tokenFile === undefined ? {} : { tokenFile: options.tokenFile }),
  });
  const webhooks = webhookAdmission({
    objects,
    registry: () => api.registry,
    authorize: (attributes) => {
      const { verdict, reason } = authorization.authorize(attributes);
      return { allowed: verdict === "allow", reason };
    },
    log,
  });
  const admission = createAdmission({
    objects,
    clock,
    nameSuffix: () => generateName(""),
    isAllowed: (attributes) => authorization.authorize(attributes).verdict === "allow",
    more: [...webhooks.plugins, authorization.escalationPrevention],
  });
  const streaming = createStreaming({ objects, clock, kubeletCredentials: kubeletCredentials(pki), admission, check: authorization.check });
  const { serviceCIDR } = options;
  const { connect } = streaming;
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
    connect,
    resources,
    proxyClient: () => pki.client("front-proxy-client"),
    healthChecks: [started],
  });
  return {
    api,
    close() {
      streaming.close();
      webhooks.close();
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

async function listen({ pki, bindAddress, port }: ControlPlaneOptions, api: ApiServer): Promise<Server> {
  const secrets = () => ({
    key: pki.serving.key,
    cert: pki.serving.certificate,
    ca: pki.authority("client") + pki.authority("frontProxy"),
    minVersion: "TLSv1.2" as const,
  });
  const https = createServer({ ...secrets(), requestCert: true, rejectUnauthorized: false, keepAliveTimeout: 120_000 });
  pki.onRenewed(() => https.setSecureContext(secrets()));
  https.on("request", api.listener.request);
  https.on("upgrade", api.listener.upgrade);
  https.listen(port, bindAddress);
  try {
    await once(https, "listening");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    if (code === "EADDRINUSE")
      throw new Error(`port ${port} is in use: stop what listens there, or choose another with --https-listen-port`);
    if (code === "EADDRNOTAVAIL") throw new Error(`--bind-address: ${bindAddress} is not an address of this machine`);
    if (code === "EACCES") throw new Error(`this user may not listen on port ${port}: choose one above 1023 with --https-listen-port`);
    throw error;
  }
  return https;
}

async function closeServer(https: Server): Promise<void> {
  const closed = new Promise((resolve) => https.close(resolve));
  https.closeAllConnections();
  await closed;
}

function serverFacts(options: ControlPlaneOptions, port: number): ServerFacts {
  const { pki, address } = options;
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
