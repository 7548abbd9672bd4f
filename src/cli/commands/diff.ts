import type { KubeObject } from "../../api/meta/object.ts";
import type { CliCommand } from "../command.ts";
import { connectionOptions, findServer, type Server } from "../connection.ts";
import { diffObjects, type ObjectChange, type Writer } from "../object-diff.ts";
import type { OptionValues } from "../options.ts";
import { fixedMoment, getJson } from "../past-moment.ts";
import { UsageError } from "../usage-error.ts";
import { list, text } from "./node-options.ts";

/** What tells of the cluster without being a part of it: shown only when asked for. */
const asides = ["events", "leases"];

/** `hue diff TIME [TIME]`: what changed between two moments. */
export const diffCommand: CliCommand = {
  usage: "diff <from> [to]",
  description: "Show what changed in the cluster since that moment, or between two, and who changed it",
  options: [
    ...connectionOptions,
    { flag: "namespace", short: "n", type: "string", value: "NAME", description: "Only in that namespace" },
    {
      flag: "kind",
      type: "list",
      value: "KIND",
      description: "Only those: Deployment, pods, deployments.apps; may be repeated (default: all but events and leases)",
    },
    { flag: "output", short: "o", type: "string", value: "FORMAT", description: "text or json", default: "text" },
  ],
  examples: ["diff 10m", "diff 2026-01-31T12:00:00Z 2026-01-31T13:00:00Z -n default", "diff 1h --kind Deployment -o json"],
  async run({ words: [from = "", to], options, env }) {
    const output = text(options, "output");
    if (output !== "text" && output !== "json") throw new UsageError(`--output: "${output}" must be text or json`);
    const server = findServer(options, env);
    const moments = [await fixedMoment(server, from), to && (await fixedMoment(server, to))] as const;
    const paths = await pathsOf(server, options);
    const changes = (await Promise.all(paths.map((path) => changesOf(server, path, moments)))).flat();
    console.log(output === "json" ? JSON.stringify(changes, undefined, 2) : inWords(changes, process.stdout.isTTY && !env["NO_COLOR"]));
    return 0;
  },
};

/** Aggregated discovery, as far as it is read here. */
interface Discovery {
  items: {
    metadata: { name?: string };
    versions: { version: string; resources: { resource: string; responseKind: { kind: string }; scope: string; verbs: string[] }[] }[];
  }[];
}

/** The paths of all lists that are asked for, each resource in the version that its group prefers. */
async function pathsOf(server: Server, options: OptionValues): Promise<string[]> {
  const kinds = list(options, "kind").map((kind) => kind.toLowerCase());
  const namespace = text(options, "namespace");
  const paths: string[] = [];
  for (const root of ["/api", "/apis"]) {
    const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    for (const { metadata, versions } of (await getJson<Discovery>(server, root, [], accept))?.items ?? []) {
      const { name: group = "" } = metadata;
      const seen = new Set<string>();
      for (const { version, resources } of versions)
        for (const { resource, responseKind, scope, verbs } of resources) {
          const names = [resource, `${resource}.${group}`, responseKind.kind.toLowerCase()];
          const wanted = kinds.length > 0 ? names.some((name) => kinds.includes(name)) : !asides.includes(resource);
          if (seen.has(resource) || !wanted || !verbs.includes("list") || (namespace && scope !== "Namespaced")) continue;
          seen.add(resource);
          paths.push([root, group, version, ...(namespace ? ["namespaces", namespace] : []), resource].filter((part) => part).join("/"));
        }
    }
  }
  if (paths.length === 0) throw new UsageError(`--kind: the server has no "${kinds.join('", "')}"${namespace ? " in namespaces" : ""}`);
  return paths;
}

/** Nothing of what is not stored, and so has no past, and of what this user may not read. */
async function changesOf(server: Server, path: string, moments: readonly (string | undefined)[]): Promise<ObjectChange[]> {
  const [before, after] = await Promise.all(
    moments.map((at) =>
      getJson<{ kind: string; apiVersion: string; items: KubeObject[] }>(server, at ? `${path}?hue.at=${at}` : path, [403, 404, 405]),
    ),
  );
  if (!before || !after) return [];
  const complete = ({ kind, apiVersion, items }: typeof before): KubeObject[] =>
    items.map((item) => ({ ...item, apiVersion, kind: kind.replace(/List$/, "") }));
  return diffObjects(complete(before), complete(after));
}

const colours = { created: 32, changed: 33, deleted: 31 };

/** One line an object, and below it one a field. */
function inWords(changes: readonly ObjectChange[], coloured: boolean): string {
  const lines = changes.flatMap(({ type, kind, namespace, name, by, fields }) => {
    const word = coloured ? `\x1b[${colours[type]}m${type}\x1b[0m` : type;
    const writers = type === "deleted" ? "" : [...new Set(by.map(writer))].join("; ");
    const told = fields.map(({ path, before, after, by: who }) => {
      const one = who && by.length > 1 ? `  (${who.manager})` : "";
      return `  ${path}: ${short(before)} -> ${short(after)}${one}`;
    });
    return [`${word}  ${kind} ${namespace ? `${namespace}/` : ""}${name}${writers ? `  by ${writers}` : ""}`, ...told];
  });
  const count = (type: string): string => `${changes.filter((change) => change.type === type).length} ${type}`;
  return [...lines, `${count("created")}, ${count("changed")}, ${count("deleted")}`].join("\n");
}

function writer({ manager, time }: Writer): string {
  return time ? `${manager} at ${time}` : manager;
}

/** A value as JSON, cut where it is long. */
function short(value: unknown): string {
  const json = value === undefined ? "nothing" : JSON.stringify(value);
  return json.length > 100 ? `${json.slice(0, 97)}...` : json;
}
