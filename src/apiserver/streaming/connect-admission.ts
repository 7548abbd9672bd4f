import type { KubeObject } from "../../api/meta/object.ts";
import { Nodes, Pods, Services } from "../../api/types/resources.ts";
import type { ResourceInfo } from "../../api/resource.ts";
import { flag } from "../../api/streaming/kubelet-paths.ts";
import type { RequestAttributes } from "../../api/user.ts";
import type { AdmissionPlugin, AdmissionRequest } from "../admission/admission.ts";
import { currentAudit } from "../audit/current.ts";
import type { ConnectRequest } from "../http/listener.ts";
import { attributesOf } from "../request-path.ts";
import { upgradeOf } from "./web-sockets.ts";

/** Who decides whether a connection may be made, beyond the authorisation of its path and verb. */
export interface ConnectAdmission {
  admission: readonly AdmissionPlugin[];
  /** Throws Forbidden. */
  check(attributes: RequestAttributes): Promise<void> | void;
}

const resources: Readonly<Record<string, ResourceInfo>> = { pods: Pods, services: Services, nodes: Nodes };
const optionKinds: Readonly<Record<string, string>> = {
  "pods/exec": "PodExecOptions",
  "pods/attach": "PodAttachOptions",
  "pods/portforward": "PodPortForwardOptions",
  "pods/proxy": "PodProxyOptions",
  "services/proxy": "ServiceProxyOptions",
  "nodes/proxy": "NodeProxyOptions",
};
const changesPod = new Set(["exec", "attach", "portforward"]);

/** Asks admission (operation CONNECT, with the options as the object), and for the right to create where a WebSocket comes as a GET. */
export async function admitConnect({ admission, check }: ConnectAdmission, connect: ConnectRequest): Promise<void> {
  const { path, user } = connect;
  const resource = resources[path.resource];
  if (!resource) return;
  // A WebSocket can only be opened by GET: reading rights must not be enough to run commands (KEP-4006).
  if (path.resource === "pods" && changesPod.has(path.subresource) && path.verb === "get" && upgradeOf(connect.request) === "websocket")
    await check({ ...attributesOf(path, user), verb: "create" });
  const request: AdmissionRequest = {
    operation: "CONNECT",
    resource,
    subresource: path.subresource,
    namespace: path.namespace,
    name: path.name,
    object: optionsOf(connect),
    old: undefined,
    user,
    dryRun: false,
    warn: () => {},
    annotate: currentAudit()?.annotate,
    onFailure: () => {},
  };
  for (const plugin of admission) await plugin.admit?.(request);
  for (const plugin of admission) await plugin.validate?.(request);
}

/** The query as the object that admission webhooks are shown. */
function optionsOf({ path, query }: ConnectRequest): KubeObject {
  const options: Record<string, unknown> = {};
  for (const name of ["stdin", "stdout", "stderr", "tty"]) if (query.has(name)) options[name] = flag(query, name);
  const command = query.getAll("command");
  if (command.length > 0) options["command"] = command;
  const container = query.get("container");
  if (container) options["container"] = container;
  if (path.subresource === "proxy") options["path"] = path.rest;
  return { apiVersion: "v1", kind: optionKinds[`${path.resource}/${path.subresource}`] ?? "", metadata: {}, ...options };
}
