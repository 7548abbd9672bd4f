import { isReason } from "../api/errors.ts";
import { Services } from "../api/types/resources.ts";
import type { Client } from "../client/client.ts";

/** Makes the Service kube-dns, which holds the DNS address and shows it to users; the nodes themselves answer there. */
export async function ensureDnsService(client: Client, clusterDNS: string): Promise<void> {
  const metadata = {
    name: "kube-dns",
    namespace: "kube-system",
    labels: { "k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS", "kubernetes.io/cluster-service": "true" },
  };
  const ports = [
    { name: "dns", port: 53, protocol: "UDP" as const, targetPort: 53 },
    { name: "dns-tcp", port: 53, protocol: "TCP" as const, targetPort: 53 },
  ];
  try {
    await client.create(Services, {
      apiVersion: "v1",
      kind: "Service",
      metadata,
      spec: { type: "ClusterIP", clusterIP: clusterDNS, ports },
    });
  } catch (error) {
    if (!isReason(error, "AlreadyExists")) throw error;
  }
}
