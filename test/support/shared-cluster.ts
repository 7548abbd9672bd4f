import { randomBytes } from "node:crypto";
import { test as base, inject } from "vitest";
import { type Kubectl, kubectlFor } from "./kubectl.ts";

/** The cluster that the tests of real containers share: see docker-cluster.ts. */
export interface SharedCluster {
  kubeconfig: string;
  dataDir: string;
  port: number;
  /** The nodes' names. */
  server: string;
  agents: string[];
  /** The first two numbers of pods' and Services' addresses: "10.142", "10.143". */
  podRange: string;
  serviceRange: string;
  ingressHttpPort: number;
  ingressHttpsPort: number;
}

declare module "vitest" {
  interface ProvidedContext {
    cluster: SharedCluster;
  }
}

/** The shared cluster, and kubectl for it with the administrator's rights. */
export function sharedCluster(): SharedCluster & { nodes: string[]; kubectl: Kubectl } {
  const cluster = inject("cluster");
  return { ...cluster, nodes: [cluster.server, ...cluster.agents], kubectl: kubectlFor(cluster.kubeconfig) };
}

/** A test that gets a kubectl bound to a namespace of its own, which goes when the test is over. What is in it is printed when the test fails. */
export const test = base.extend("kubectl", async ({ task }, { onCleanup }): Promise<Kubectl> => {
  const kubectl = await newNamespace();
  onCleanup(async () => {
    if (task.result?.state === "fail") console.error(await situation(kubectl));
    await removeNamespace(kubectl);
  });
  return kubectl;
});

/** A kubectl bound to a new namespace; the caller removes it with removeNamespace. */
export async function newNamespace(): Promise<Kubectl> {
  const { kubectl } = sharedCluster();
  const name = `t-${randomBytes(3).toString("hex")}`;
  await kubectl("create", "namespace", name);
  // A pod can be made as soon as the namespace has its service account.
  await kubectl("-n", name, "wait", "--for=create", "serviceaccount/default", "--timeout=20s");
  return kubectl.in(name);
}

/** Removes what newNamespace made; what is in it ends in the background. */
export async function removeNamespace(kubectl: Kubectl): Promise<void> {
  await kubectl("delete", "namespace", kubectl.namespace, "--wait=false", "--ignore-not-found");
}

async function situation(kubectl: Kubectl): Promise<string> {
  const pods = await kubectl.run(["get", "pods", "-o", "wide"]);
  const events = await kubectl.run(["get", "events", "--sort-by=.lastTimestamp"]);
  return `${kubectl.namespace}:\n${pods.stdout}${events.stdout.split("\n").slice(-25).join("\n")}`;
}
