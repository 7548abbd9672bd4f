/**
 * Writes src/api/types: one file of TypeScript types a group and version, and resources.ts with one typed constant a resource.
 * Run by `npm run generate`; a test fails when the files are not what the facts give.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { DiscoveryFacts, FieldFacts, TypeFacts } from "./facts.ts";

const here = new URL(".", import.meta.url);
const header = "// Generated from the facts by src/api/schema/generate.ts; do not edit.\n";

const scalars: Record<string, string> = {
  string: "string",
  bool: "boolean",
  int32: "number",
  int64: "number",
  float64: "number",
  bytes: "string",
  time: "string",
  "micro-time": "string",
  duration: "string",
  quantity: "string",
  "int-or-string": "number | string",
  any: "unknown",
  json: "unknown",
  "raw-object": "Record<string, unknown>",
  "fields-v1": "Record<string, unknown>",
  "schema-or-bool": "JSONSchemaProps | boolean",
  "schema-or-strings": "JSONSchemaProps | string[]",
  "schema-or-array": "JSONSchemaProps | JSONSchemaProps[]",
};

/** Everything that is generated, by file name. */
export function generate(types: Record<string, TypeFacts>, discovery: DiscoveryFacts): Map<string, string> {
  const files = new Map<string, string>();
  const namespaced = namespacedKinds(discovery);
  for (const group of new Set(Object.keys(types).map(fileOf))) files.set(`${group}.ts`, typesFile(group, types, namespaced));
  files.set("resources.ts", resourcesFile(types, discovery));
  return files;
}

function fileOf(name: string): string {
  return name.slice(0, name.lastIndexOf("."));
}

function nameOf(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

function namespacedKinds(discovery: DiscoveryFacts): Set<string> {
  const kinds = new Set<string>();
  for (const [groupVersion, resources] of Object.entries(discovery.resources))
    for (const [name, resource] of Object.entries(resources))
      if (resource.namespaced && !name.includes("/")) kinds.add(`${groupVersion} ${resource.kind}`);
  return kinds;
}

function typesFile(group: string, types: Record<string, TypeFacts>, namespaced: Set<string>): string {
  const imports = new Map<string, Set<string>>();
  const use = (file: string, name: string): string => {
    if (file !== group) imports.set(file, (imports.get(file) ?? new Set()).add(name));
    return name;
  };
  const typeText = (type: string): string => {
    if (type.startsWith("[")) return list(typeText(type.slice(1, -1)));
    if (type.startsWith("{")) return `Record<string, ${typeText(type.slice(1, -1))}>`;
    return scalars[type] ?? use(fileOf(type), nameOf(type));
  };
  const bodies: string[] = [];
  for (const [name, facts] of Object.entries(types)) {
    if (fileOf(name) !== group) continue;
    if (facts.scalar) bodies.push(`export type ${nameOf(name)} = ${list(typeText(facts.scalar.replace("list-message:", "")))};\n`);
    else bodies.push(interfaceText(name, facts, namespaced, typeText, use));
  }
  const lines = [...imports].sort().map(([file, names]) => {
    const from = file === "object" ? "../meta/object.ts" : `./${file}.ts`;
    return `import type { ${[...names].sort().join(", ")} } from "${from}";\n`;
  });
  return `${header + lines.join("")}\n${bodies.join("\n")}`;
}

function list(item: string): string {
  return item.includes("|") ? `(${item})[]` : `${item}[]`;
}

function interfaceText(
  name: string,
  facts: TypeFacts,
  namespaced: Set<string>,
  typeText: (type: string) => string,
  use: (file: string, name: string) => string,
): string {
  const gvk = facts.gvk?.[0];
  const isList = facts.fields?.["metadata"]?.type === "meta.v1.ListMeta";
  const isObject = gvk !== undefined && facts.fields?.["metadata"]?.type === "meta.v1.ObjectMeta";
  const embedded: string[] = [];
  const lines: string[] = [];
  for (const [field, f] of Object.entries(facts.fields ?? {})) {
    if (field.startsWith("~")) {
      embedded.push(typeText(f.type));
      continue;
    }
    const key = /^[A-Za-z_]\w*$/.test(field) ? field : JSON.stringify(field);
    if (gvk && field === "apiVersion") lines.push(`  apiVersion: "${gvk.split(" ")[0]}";`);
    else if (gvk && field === "kind") lines.push(`  kind: "${gvk.split(" ")[1]}";`);
    else if (isObject && field === "metadata")
      lines.push(`  metadata: ${use("object", namespaced.has(gvk) ? "NamespacedMeta" : "StoredMeta")};`);
    else
      lines.push(
        `  ${key}${required(field, f, isObject || isList) ? "" : "?"}: ${f.enum && f.type === "string" ? enumText(f.enum) : typeText(f.type)};`,
      );
  }
  const extend = embedded.length ? ` extends ${embedded.join(", ")}` : "";
  return `export interface ${nameOf(name)}${extend} {\n${lines.join("\n")}${lines.length ? "\n" : ""}}\n`;
}

function enumText(values: string[]): string {
  return values.map((v) => JSON.stringify(v)).join(" | ");
}

function required(field: string, f: FieldFacts, isKind: boolean): boolean {
  if (f.req) return true;
  return isKind && !f.ptr && ["metadata", "spec", "status", "items"].includes(field);
}

function resourcesFile(types: Record<string, TypeFacts>, discovery: DiscoveryFacts): string {
  const typeOfKind = new Map<string, string>();
  for (const [name, facts] of Object.entries(types)) for (const gvk of facts.gvk ?? []) typeOfKind.set(gvk, name);
  const imports = new Map<string, string[]>();
  const lines: string[] = [];
  const taken = new Set<string>();
  for (const [groupVersion, resources] of Object.entries(discovery.resources)) {
    for (const [plural, resource] of Object.entries(resources)) {
      const type = typeOfKind.get(`${groupVersion} ${resource.kind}`);
      if (plural.includes("/") || !type) continue;
      const version = groupVersion.slice(groupVersion.lastIndexOf("/") + 1);
      let name = pluralName(resource.kind, plural);
      let alias = name === resource.kind ? `${resource.kind}Kind` : resource.kind;
      if (taken.has(name)) {
        name += version.toUpperCase();
        alias += version.toUpperCase();
      }
      taken.add(name);
      const names = imports.get(fileOf(type)) ?? [];
      imports.set(fileOf(type), [...names, alias === resource.kind ? alias : `${resource.kind} as ${alias}`]);
      lines.push(`export const ${name}: Resource<${alias}> = resource<${alias}>("${groupVersion}", "${plural}");\n`);
    }
  }
  const importLines = [...imports].map(([file, names]) => `import type { ${names.join(", ")} } from "./${file}.ts";\n`);
  return `${header}import { type Resource, resource } from "../resource.ts";\n${importLines.join("")}\n${lines.join("")}`;
}

function pluralName(kind: string, plural: string): string {
  return plural.startsWith(kind.toLowerCase()) ? kind + plural.slice(kind.length) : `${kind.slice(0, -1)}ies`;
}

function main(): void {
  const read = <T>(file: string): T => JSON.parse(readFileSync(new URL(file, here), "utf8"));
  const files = generate(read("types.json"), read("discovery.json"));
  const out = new URL("../types/", here);
  mkdirSync(out, { recursive: true });
  for (const [file, text] of files) writeFileSync(new URL(file, out), text);
}

if (process.argv[1] === new URL(import.meta.url).pathname) main();
