import type { AuditConfig } from "../apiserver/audit/audit.ts";
import type { NodeConfig } from "../agent/config.ts";
import type { RequestLimits } from "../apiserver/fairness/gate.ts";
import type { PastWindow } from "../store/past.ts";
import type { AccessConfig } from "./access-config.ts";

/** Everything that a server can be told. Defaults: serverDefaults. */
export interface ServerConfig {
  /** Where everything is kept: the store, certificates, volumes. */
  dataDir: string;
  /** Keeps the store in memory: nothing outlives the process but certificates. */
  inMemory: boolean;
  /** How much of the past is kept beyond what watches need; 0 milliseconds: none. */
  history: PastWindow;
  bindAddress: string;
  /** 0: any free port. */
  httpsPort: number;
  /** The address that agents and pods reach the server at; "" finds the machine's own. */
  advertiseAddress: string;
  /** Where the administrator's kubeconfig is written; "" writes none. */
  writeKubeconfig: string;
  /** What agents join with; "" makes one and keeps it in the data folder. */
  token: string;
  tokenAuthFile: string;
  /** An EncryptionConfiguration; "" for none. */
  encryptionProviderConfig: string;
  encryptionProviderConfigAutomaticReload: boolean;
  /** Undefined: nothing is told of requests. */
  audit: AuditConfig | undefined;
  /** Encrypts Secrets with a key that is made at the first start and kept in the data folder. */
  secretsEncryption: boolean;
  tlsSans: readonly string[];
  clusterCIDR: string;
  serviceCIDR: string;
  clusterDNS: string;
  clusterDomain: string;
  /** "30000-32767" */
  nodePortRange: string;
  /** How many requests are served at once. */
  limits: RequestLimits;
  /** Parts that are not to run: see disableable. */
  disable: readonly string[];
  /** Who may do what. */
  access: AccessConfig;
  node: NodeConfig;
  /** How many further nodes with the simulated runtime run inside the server. */
  simulatedNodes: number;
}
