import { createHash } from "node:crypto";
import type Docker from "dockerode";
import type { PodNetwork } from "../runtime.ts";
import { calling, label, statusOf } from "./engine.ts";
import { type Owner, ownerLabels } from "./specs.ts";

/** The name of a node's bridge on the host: at most 15 characters, as links have it, and its own in every cluster on the machine. */
export function bridgeName({ nodeName, dataDir }: Owner): string {
  return `hue-${createHash("sha256").update(`${dataDir} ${nodeName}`).digest("hex").slice(0, 11)}`;
}

/**
 * A node's pods on a bridge of their own, made by the engine. What leaves the bridge keeps its address: the host's rules (masquerading,
 * forwarding to other nodes) are not the engine's business.
 */
export function bridgeNetwork(docker: Docker, owner: Owner): PodNetwork {
  const name = bridgeName(owner);
  return {
    async setup(podCIDR) {
      const found = await inspect(docker, name);
      if (found) {
        const subnet = found.IPAM?.Config?.[0]?.Subnet;
        const dataDir = found.Labels?.[label.dataDir];
        if (dataDir !== owner.dataDir)
          throw new Error(`Docker network ${name} belongs to another cluster (data directory ${dataDir ?? "unknown"})`);
        if (subnet === podCIDR) return name;
        if (Object.keys(found.Containers ?? {}).length > 0)
          throw new Error(`Docker network ${name} has the range ${subnet} and containers in it, but the node's podCIDR is ${podCIDR}`);
        await calling(docker.getNetwork(name).remove());
      }
      await calling(
        docker.createNetwork({
          Name: name,
          Driver: "bridge",
          CheckDuplicate: true,
          IPAM: { Driver: "default", Config: [{ Subnet: podCIDR }] },
          Options: { "com.docker.network.bridge.name": bridgeName(owner), "com.docker.network.bridge.enable_ip_masquerade": "false" },
          Labels: { ...ownerLabels(owner), [label.kind]: "network" },
        }),
      );
      return name;
    },
  };
}

async function inspect(docker: Docker, name: string): Promise<Docker.NetworkInspectInfo | undefined> {
  try {
    return await docker.getNetwork(name).inspect();
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}
