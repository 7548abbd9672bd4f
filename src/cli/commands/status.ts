import { formatTime } from "../../api/meta/time.ts";
import { Nodes, Pods } from "../../api/types/resources.ts";
import type { CliCommand } from "../command.ts";
import { connect, connectionOptions } from "../connection.ts";
import { UsageError } from "../usage-error.ts";

/** What the server has written since its start. */
function written(metrics: ReadonlyMap<string, number>): string {
  const of = (name: string): number => metrics.get(name) ?? 0;
  const minutes = Math.round((Date.now() / 1000 - of("process_start_time_seconds")) / 60);
  const bytes = (of("hue_written_bytes_total") / 1e6).toFixed(1);
  const [batches, syncs] = [of("hue_store_batches_total"), of("hue_store_fsyncs_total")];
  return `${bytes} MB written since the start ${minutes} minutes ago; the store wrote ${batches} batches with ${syncs} fsyncs`;
}

/** How far back the past can be read. */
function history(metrics: ReadonlyMap<string, number>): string {
  const since = metrics.get("hue_history_start_time_seconds") ?? 0;
  if (!since) return "nothing yet";
  const bytes = ((metrics.get("hue_history_bytes") ?? 0) / 1e6).toFixed(1);
  return `since ${formatTime(since * 1000)}, ${bytes} MB; see hue at, hue diff`;
}

/** `hue status` */
export const statusCommand: CliCommand = {
  usage: "status",
  description: "Tell how the cluster is: server, nodes, pods, what it writes",
  options: connectionOptions,
  async run({ options, env }) {
    const { client, server, metrics, close } = await connect(options, env);
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
      const read = await metrics();
      console.log(`disk    ${written(read)}`);
      console.log(`history ${history(read)}`);
      return nodes.items.length > 0 &&
        nodes.items.every((node) => node.status.conditions?.some((c) => c.type === "Ready" && c.status === "True"))
        ? 0
        : 1;
    } finally {
      close();
    }
  },
};
