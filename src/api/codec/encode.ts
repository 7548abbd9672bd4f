import { stringify } from "yaml";
import type { Accepted } from "./accept.ts";

/** The text of an answer in the accepted form: compact or indented JSON, or YAML with sorted keys. */
export function encode(value: unknown, accepted: Pick<Accepted, "mediaType" | "pretty">): string {
  if (accepted.mediaType === "application/yaml") return toYaml(value);
  return accepted.pretty ? JSON.stringify(value, undefined, 2) : `${JSON.stringify(value)}\n`;
}

/** YAML as Kubernetes writes it: sorted keys, lists not indented, long texts not folded. */
export function toYaml(value: unknown): string {
  return stringify(value, { sortMapEntries: true, indentSeq: false, lineWidth: 0, version: "1.1", aliasDuplicateObjects: false });
}
