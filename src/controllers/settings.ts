import type { Grant } from "../pki/credentials.ts";
import type { Cache } from "../client/cache.ts";
import type { Pod } from "../api/types/core.v1.ts";

/** Signs a certificate request (PEM) by that authority and returns the certificate as PEM; signRequest of src/pki/credentials.ts does it. */
export type CertificateSigner = (authority: "client" | "server", request: string, grant: Grant) => Promise<string>;

/** What the cluster's controllers are told by the process they run in. */
export interface ClusterSettings {
  /** The range of pod addresses, of which each node gets a part: "10.42.0.0/16". */
  clusterCIDR: string;
  /** How many bits of a node's part are fixed. Default 24. */
  nodeCIDRMaskSize?: number;
  /** The authority that signs the API server's certificate, as PEM: what pods trust. */
  rootCA: () => string;
  /** The token of a service account that never ends, for Secrets of type kubernetes.io/service-account-token. */
  signToken: (claims: { namespace: string; serviceAccount: string; uid: string; secret: string }) => Promise<string> | string;
  /** By the authority of clients (users, kubelets), or that of servers (kubelets). */
  signCertificate: CertificateSigner;
  /** The folder on each node under which volumes of class local-path live: "<data-dir>/storage". */
  storagePath: string;
}

/** Makes pods found by nodeName (`podsOn`). */
export function indexByNode(pods: Cache<Pod>): void {
  pods.addIndex("spec.nodeName", (pod) => [pod.spec.nodeName ?? ""]);
}

/** The pods that are on that node. The cache must be indexed by node. */
export function podsOn(pods: Cache<Pod>, nodeName: string): Pod[] {
  return pods.byIndex("spec.nodeName", nodeName);
}
