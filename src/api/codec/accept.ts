import { notAcceptable } from "../errors.ts";
import { protobufType } from "./protobuf.ts";

/** Another form of the answer that a client may ask for: `as=Table;v=v1;g=meta.k8s.io`. */
export interface Transform {
  kind: string;
  group: string;
  version: string;
}

/** How to answer. */
export interface Accepted {
  mediaType: "application/json" | "application/yaml" | typeof protobufType;
  /** The Content-Type of the answer: with the parameters for discovery, plain for everything else. */
  contentType: string;
  as: Transform | undefined;
  /** `pretty=1` was asked for in the header. */
  pretty: boolean;
}

interface Clause {
  type: string;
  quality: number;
  parameters: Map<string, string>;
}

const parsed = new Map<string, Clause[]>();
const offered = ["application/json", "application/yaml", protobufType] as const;
const refusal = "only the following media types are accepted: application/json, application/yaml";
const plainJson: Accepted = { mediaType: "application/json", contentType: "application/json", as: undefined, pretty: false };

/**
 * What the Accept header asks for, of JSON, YAML and the transforms that `allows` permits at this place, and of protobuf where `binary`
 * says so. Throws a 406 when nothing fits.
 */
export function negotiate(
  accept: string | undefined,
  allows: (as: Transform) => boolean,
  binary: (as: Transform | undefined) => boolean = () => false,
): Accepted {
  if (!accept || accept === "*/*" || accept === "application/json") return plainJson;
  for (const clause of clausesOf(accept)) {
    const mediaType = offered.find((type) => clause.type === type || clause.type === "*/*" || clause.type === "application/*");
    const as = transformOf(clause.parameters);
    if (!mediaType || clause.quality === 0 || (mediaType === protobufType && !binary(as))) continue;
    const stream = clause.parameters.get("stream") ?? "";
    if ((as && !allows(as)) || (stream && stream !== "watch") || clause.parameters.get("sv")) continue;
    const discovery = as?.group === "apidiscovery.k8s.io" ? `;g=${as.group};v=${as.version};as=${as.kind}` : "";
    return { mediaType, contentType: mediaType + discovery, as, pretty: clause.parameters.get("pretty") === "1" };
  }
  throw notAcceptable(binary(undefined) ? `${refusal}, ${protobufType}` : refusal);
}

/** Allows what every object and list can become: Tables and partial metadata, of either version. */
export function objectTransforms({ kind, group, version }: Transform): boolean {
  const kinds = ["Table", "PartialObjectMetadata", "PartialObjectMetadataList"];
  return group === "meta.k8s.io" && (version === "v1" || version === "v1beta1") && kinds.includes(kind);
}

/** Allows aggregated discovery. */
export function discoveryTransforms({ kind, group, version }: Transform): boolean {
  return group === "apidiscovery.k8s.io" && kind === "APIGroupDiscoveryList" && (version === "v2" || version === "v2beta1");
}

/** Allows nothing: for objects without metadata. */
export function noTransforms(): boolean {
  return false;
}

function transformOf(parameters: Map<string, string>): Transform | undefined {
  const [kind, group, version] = [parameters.get("as"), parameters.get("g"), parameters.get("v")];
  if (kind === undefined && group === undefined && version === undefined) return undefined;
  return { kind: kind ?? "", group: group ?? "", version: version ?? "" };
}

/** The clauses of a header, best first: by quality, then more specific types, then as written. Few headers occur: they are kept. */
function clausesOf(accept: string): Clause[] {
  const known = parsed.get(accept);
  if (known) return known;
  const clauses = accept.split(",").map((text): Clause => {
    const [type = "", ...rest] = text.split(";").map((part) => part.trim());
    const parameters = new Map(rest.map((part): [string, string] => [part.split("=", 1)[0] ?? "", part.slice(part.indexOf("=") + 1)]));
    const quality = Number(parameters.get("q") ?? 1);
    return { type: type.toLowerCase(), quality: Number.isNaN(quality) ? 1 : quality, parameters };
  });
  clauses.sort((a, b) => b.quality - a.quality || wildcards(a.type) - wildcards(b.type));
  if (parsed.size >= 1000) parsed.clear();
  parsed.set(accept, clauses);
  return clauses;
}

function wildcards(type: string): number {
  return type.split("*").length - 1;
}
