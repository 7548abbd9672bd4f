/** What a client asks of exec and attach (PodExecOptions, PodAttachOptions). */
export interface RemoteCommand {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
  /** The program and its arguments; empty for attach. */
  command: readonly string[];
}

/** Where a container is: what every path of the kubelet's server names. */
export interface ContainerRef {
  namespace: string;
  pod: string;
  container: string;
}

/** The options of an exec or attach request, from its query. */
export function parseRemoteCommand(query: URLSearchParams): RemoteCommand {
  return {
    stdin: flag(query, "stdin"),
    stdout: flag(query, "stdout"),
    stderr: flag(query, "stderr"),
    tty: flag(query, "tty"),
    command: query.getAll("command"),
  };
}

/** The kubelet's path and query for an exec, or an attach when there is no command. */
export function remoteCommandPath(ref: ContainerRef, options: RemoteCommand): string {
  const query = new URLSearchParams();
  for (const part of options.command) query.append("command", part);
  for (const name of ["stdin", "stdout", "stderr", "tty"] as const) if (options[name]) query.set(name, "1");
  return `/${options.command.length > 0 ? "exec" : "attach"}/${segments(ref.namespace, ref.pod, ref.container)}?${query}`;
}

/** The kubelet's path for one connection to a port of a pod. */
export function portForwardPath(namespace: string, pod: string, port: number): string {
  return `/portForward/${segments(namespace, pod)}?port=${port}`;
}

/** The kubelet's path for a container's log; the query is PodLogOptions, passed on. */
export function containerLogsPath(ref: ContainerRef, query: URLSearchParams): string {
  const text = query.toString();
  return `/containerLogs/${segments(ref.namespace, ref.pod, ref.container)}${text ? `?${text}` : ""}`;
}

/** Whether a query's flag is set: Go's spelling of booleans, and present without a value. */
export function flag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && value !== "0" && value.toLowerCase() !== "false";
}

function segments(...names: string[]): string {
  return names.map(encodeURIComponent).join("/");
}

/** The one name that a node's kubelet serves under: it cannot be taken for that of an API server. */
export function kubeletServerName(node: string): string {
  return `${node}.kubelet.hue.internal`;
}
