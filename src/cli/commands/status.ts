import { Nodes, Pods } from "../../api/types/resources.ts";
import type { CliCommand } from "../command.ts";
import { connect, connectionOptions } from "../connection.ts";
import { UsageError } from "../usage-error.ts";

/** `hue status` */
export const statusCommand: CliCommand = {
  usage: "status",
  description: "Tell how the cluster is: server, nodes, pods",
  options: connectionOptions,
  async run({ options, env }) {
    const { client, server, close } = await connect(options, env);
    try {
      const [nodes, pods] = await Promise.all([client.list(Nodes), client.list(Pods)]).catch((error) => {
        throw new UsageError(`the server at ${server} does not answer: ${error instanceof Error ? error.message : error}`, 1);
      });
      console.log(`server  ${server}`);
      for (const node of nodes.items) {
        const ready = node.status.conditions?.find((c) => c.type === "Ready");
        const state = ready?.status === "True" ? "Ready" : `not ready (${ready?.reason ?? "has not reported yet"})`;
        const mine = pods.items.filter((pod) => pod.spec.nodeName === node.metadata.name).length;
        console.log(
          `node    ${node.metadata.name}: ${state}${node.spec.unschedulable ? ", cordoned" : ""}, ${mine} pods, ${node.status.nodeInfo?.kubeletVersion ?? ""}`,
        );
      }
      const phases = new Map<string, number>();
      for (const pod of pods.items) phases.set(pod.status.phase ?? "Unknown", (phases.get(pod.status.phase ?? "Unknown") ?? 0) + 1);
      console.log(`pods    ${[...phases].map(([phase, count]) => `${count} ${phase}`).join(", ") || "none"}`);
      return nodes.items.length > 0 &&
        nodes.items.every((node) => node.status.conditions?.some((c) => c.type === "Ready" && c.status === "True"))
        ? 0
        : 1;
    } finally {
      close();
    }
  },
};
