/** hue as a library: a whole Kubernetes cluster in the caller's process. */
export { type Cluster, type ClusterOptions, createCluster } from "./server/cluster.ts";
export { Client, type ListOptions, type Ref, type WriteOptions } from "./client/client.ts";
export { isReason, StatusError } from "./api/errors.ts";
export { silentLogger, type Logger } from "./lib/log.ts";
export * from "./api/types/resources.ts";
