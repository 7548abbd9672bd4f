import { type Plugin, unschedulable } from "../framework.ts";
import type { HostPort, PodInfo } from "../pod-info.ts";

const rejected = unschedulable("node(s) didn't have free ports for the requested pod ports");

/** Whether both cannot be had on one node: 0.0.0.0 stands for every address. */
export function portsConflict(a: HostPort, b: HostPort): boolean {
  return a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === "0.0.0.0" || b.ip === "0.0.0.0");
}

function conflict(a: PodInfo, b: PodInfo): boolean {
  return a.ports.some((x) => b.ports.some((y) => portsConflict(x, y)));
}

/** NodePorts: host ports are had by one pod of a node. */
export const nodePorts: Plugin = {
  name: "NodePorts",
  filter(pod) {
    if (pod.ports.length === 0) return undefined;
    return {
      check(node) {
        for (const other of node.pods.values()) if (other.ports.length > 0 && conflict(pod, other)) return rejected;
        return undefined;
      },
    };
  },
  wakes: (_pod, event) => (event.type === "node" && !event.old) || (event.type === "pod" && !event.pod),
};
