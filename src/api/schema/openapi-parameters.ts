import type { JsonObject } from "./struct.ts";

/** What is known of a parameter beside its name. */
interface ParameterFacts {
  type: "string" | "boolean" | "integer";
  description: string;
}

const text = (description: string): ParameterFacts => ({ type: "string", description });
const flag = (description: string): ParameterFacts => ({ type: "boolean", description });
const whole = (description: string): ParameterFacts => ({ type: "integer", description });

const known: Record<string, ParameterFacts | undefined> = {
  allowWatchBookmarks: flag("allowWatchBookmarks requests watch events with type BOOKMARK, which tell how far the watch has come."),
  command: text("Command is the remote command to execute. argv array. Not executed within a shell."),
  container: text("The container. Defaults to the only container if there is one container in the pod."),
  continue: text("The continue token of a previous list: the server answers with what comes after it."),
  dryRun: text(
    "When present, indicates that modifications should not be persisted. Valid values are: - All: all dry run stages will be processed",
  ),
  fieldManager: text(
    "fieldManager is a name associated with the actor or entity that is making these changes. At most 128 printable characters.",
  ),
  fieldSelector: text("A selector to restrict the list of returned objects by their fields. Defaults to everything."),
  fieldValidation: text("What to do with unknown and duplicate fields: Ignore, Warn (the default) or Strict."),
  follow: flag("Follow the log stream of the pod. Defaults to false."),
  force: flag("Force is going to force Apply requests: fields owned by others are taken over. Must be unset for other patches."),
  gracePeriodSeconds: whole("The duration in seconds before the object should be deleted. Zero means at once."),
  ignoreStoreReadErrorWithClusterBreakingPotential: flag("Delete the object although it cannot be read from the store."),
  insecureSkipTLSVerifyBackend: flag("Do not verify the serving certificate of the backend."),
  labelSelector: text("A selector to restrict the list of returned objects by their labels. Defaults to everything."),
  limit: whole("The maximum number of objects to return; more come with the continue token."),
  limitBytes: whole("The number of bytes to read before the log output ends."),
  name: text("name of the object"),
  namespace: text("object name and auth scope, such as for teams and projects"),
  orphanDependents: flag("Deprecated: use propagationPolicy. Whether dependent objects are orphaned."),
  path: text("Path is the URL path to use for the current proxy request."),
  ports: whole("List of ports to forward. Required when using WebSockets."),
  pretty: text("If 'true', then the output is pretty printed."),
  previous: flag("Return the logs of the container's previous run. Defaults to false."),
  propagationPolicy: text("Whether and how garbage collection is done: Orphan, Background or Foreground."),
  resourceVersion: text("Which resource versions the answer may be served from."),
  resourceVersionMatch: text("How resourceVersion is applied to lists: Exact or NotOlderThan."),
  sendInitialEvents: flag("Begin the watch with the objects that are there, and a bookmark after them."),
  sinceSeconds: whole("Logs not older than that many seconds."),
  stderr: flag("Redirect the standard error stream."),
  stdin: flag("Redirect the standard input stream."),
  stdout: flag("Redirect the standard output stream."),
  stream: text("Which container log stream to return: All, Stdout or Stderr."),
  tailLines: whole("The number of lines from the end of the log to show."),
  timeoutSeconds: whole("Timeout for the list or watch call, in seconds."),
  timestamps: flag("Add an RFC 3339 timestamp at the beginning of every log line."),
  tty: flag("Allocate a terminal."),
  watch: flag("Watch for changes and return them as a stream of add, update and remove notifications."),
};

/** A parameter in OpenAPI's words. `path*` is the rest of a proxy's path; name and namespace lie in the path, others in the query. */
export function parameter(name: string, version: "v2" | "v3"): JsonObject {
  const plain = name === "path*" ? "path" : name;
  const { type, description } = known[plain] ?? text("");
  const inPath = name === "name" || name === "namespace" || name === "path*";
  const place = { name: plain, in: inPath ? "path" : "query", description, ...(inPath ? { required: true } : {}) };
  return version === "v2" ? { uniqueItems: true, type, ...place } : { ...place, schema: { type, uniqueItems: true } };
}
