import { parseQuantity } from "../../api/meta/quantity.ts";
import type { Container, Pod, ResourceFieldSelector } from "../../api/types/core.v1.ts";

/** What only the node knows of a pod that asks for its own fields. */
export interface NodeFacts {
  nodeName: string;
  /** The node's addresses, the first one first. */
  hostIPs: readonly string[];
  /** Known once the sandbox is there. */
  podIPs: readonly string[];
  /** What a container may use when it has no limit. */
  allocatable: Readonly<Record<string, string>>;
}

/** The value of a field of the pod (downward API) as text. Throws when there is no such field. */
export function podField(pod: Pod, path: string, node: NodeFacts): string {
  const { metadata, spec } = pod;
  const entry = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (entry) return (entry[1] === "labels" ? metadata.labels : metadata.annotations)?.[entry[2] ?? ""] ?? "";
  switch (path) {
    case "metadata.name":
      return metadata.name;
    case "metadata.namespace":
      return metadata.namespace;
    case "metadata.uid":
      return metadata.uid;
    case "metadata.labels":
      return formatMap(metadata.labels);
    case "metadata.annotations":
      return formatMap(metadata.annotations);
    case "spec.nodeName":
      return node.nodeName;
    case "spec.serviceAccountName":
      return spec.serviceAccountName ?? "";
    case "status.hostIP":
      return node.hostIPs[0] ?? "";
    case "status.hostIPs":
      return node.hostIPs.join(",");
    case "status.podIP":
      return node.podIPs[0] ?? "";
    case "status.podIPs":
      return node.podIPs.join(",");
    default:
      throw new Error(`unsupported fieldPath: ${path}`);
  }
}

/** A map as downward API files have it: `key="value"` lines, sorted, quoted as Go does. */
function formatMap(map: Record<string, string> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([k, v]) => `${k}=${goQuote(v)}`)
    .join("\n");
}

function goQuote(text: string): string {
  const escapes: Record<string, string> = {
    "\n": "\\n",
    "\t": "\\t",
    "\r": "\\r",
    '"': '\\"',
    "\\": "\\\\",
    "\x07": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\v": "\\v",
  };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what gets escaped
  return `"${text.replace(/["\\\x00-\x1f\x7f]/g, (c) => escapes[c] ?? `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`)}"`;
}

/** A container's request or limit in units of the divisor, rounded up; a limit that is not set is what the node has. */
export function resourceField(pod: Pod, own: Container, selector: ResourceFieldSelector, node: NodeFacts): string {
  const { containerName, resource, divisor = "1" } = selector;
  const all = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  const container = containerName ? all.find((c) => c.name === containerName) : own;
  if (!container) throw new Error(`container ${containerName} not found`);
  const dot = resource.indexOf(".");
  const [kind, name] = [resource.slice(0, dot), resource.slice(dot + 1)];
  const { limits = {}, requests = {} } = container.resources ?? {};
  const text =
    kind === "limits"
      ? (limits[name] ?? (name.startsWith("hugepages-") ? "0" : node.allocatable[name]))
      : kind === "requests"
        ? requests[name]
        : undefined;
  if (text === undefined && kind !== "requests" && kind !== "limits") throw new Error(`unsupported container resource : ${resource}`);
  const unit = parseQuantity(divisor === "0" ? "1" : divisor).nano;
  const { nano } = parseQuantity(text ?? "0");
  return String((nano + unit - 1n) / unit);
}
