import { type Base, bases } from "./bases.ts";
import type { Request } from "./message.ts";
import type { Random } from "./random.ts";
import { broken, brokenText, brokenYaml, bytesOf, type Json, wild } from "./values.ts";

const strictness = ["", "Strict", "Warn", "Ignore", "strict", "\u0000"];
const patchTypes = ["json-patch+json", "merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml", "apply-patch+cbor"];
const contentTypes = [
  "application/json",
  "application/yaml",
  "application/vnd.kubernetes.protobuf",
  "application/cbor",
  "text/plain",
  "application/json; charset=utf-16",
  "multipart/form-data; boundary=x",
  "",
  "/",
  "*/*",
  ";;;",
  "application/json;".repeat(50),
];

/** A collection's path with the options of a write; what would change the server itself is only tried. */
function writePath(path: string, base: Base, random: Random): string {
  const options = new URLSearchParams();
  if (base.dryRunOnly || random.chance(0.6)) options.append("dryRun", "All");
  if (random.chance(0.5)) options.append("fieldValidation", random.pick(strictness));
  if (random.chance(0.2)) options.append("fieldManager", random.pick(["me", "x".repeat(129), "\u0000", "a\nb"]));
  return `${path}?${options}`;
}

export function objects(random: Random): Request {
  const base = random.pick(bases);
  const body = bytesOf(broken(base.object, random), random);
  return random.chance(0.6)
    ? { method: "POST", path: writePath(base.collection, base, random), body }
    : { method: "PUT", path: writePath(base.path, base, random), body };
}

export function bodies(random: Random): Request {
  const base = random.pick(bases);
  const text = JSON.stringify(base.object);
  const contentType = random.pick(contentTypes);
  let body = brokenText(text, random);
  if (contentType === "application/yaml") body = brokenYaml(text, random);
  if (contentType === "application/vnd.kubernetes.protobuf") body = brokenProtobuf(base, random);
  return { method: random.pick(["POST", "PUT", "DELETE", "PATCH"]), path: writePath(base.path, base, random), body, contentType };
}

/** A protobuf envelope, cut or with any bytes in the place of the object. */
function brokenProtobuf({ object }: Base, random: Random): Buffer {
  const field = (number: number, content: Buffer): Buffer =>
    Buffer.concat([Buffer.from([(number << 3) | 2, ...varint(content.length)]), content]);
  const type = Buffer.concat([field(1, Buffer.from(String(object["apiVersion"]))), field(2, Buffer.from(String(object["kind"])))]);
  const nested = random.chance(0.2) ? Buffer.alloc(random.pick([100, 20_000]), 0x0a) : random.bytes(random.below(60));
  const raw = random.chance(0.5) ? field(1, Buffer.concat([field(1, Buffer.from("name")), nested])) : nested;
  const whole = Buffer.concat([Buffer.from("k8s\0"), field(1, type), field(2, raw)]);
  if (random.chance(0.3)) return whole.subarray(0, random.below(whole.length));
  if (random.chance(0.3)) whole[random.below(whole.length)] = random.below(256);
  return whole;
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
}

export function patches(random: Random): Request {
  const base = random.pick(bases);
  const type = random.pick(patchTypes);
  let patch: Json = broken(base.object, random);
  if (type === "json-patch+json") patch = jsonPatch(random);
  else if (random.chance(0.4)) patch = directives(random);
  const options = type.startsWith("apply")
    ? `&fieldManager=${random.pick(["me", "other", ""])}&force=${random.pick(["true", "false", "maybe"])}`
    : "";
  const suffix = random.chance(0.2) ? random.pick(["/status", "/scale", "/resize", "/ephemeralcontainers", "/approval", "/nope"]) : "";
  const path = `${writePath(base.path + suffix, base, random)}${options}`;
  const text = JSON.stringify(patch);
  const body = type.startsWith("apply") && random.chance(0.3) ? brokenYaml(text, random) : bytesOf(patch, random);
  return { method: "PATCH", path, body, contentType: `application/${type}` };
}

const pointers = [
  "",
  "/",
  "/metadata",
  "/metadata/labels",
  "/metadata/labels/~0~1~2",
  "/spec/-",
  "/spec/containers/99999999999",
  "/__proto__/x",
  "/constructor/prototype/x",
  "a",
  "/metadata/name",
  "/spec/template/spec/containers/-1",
  "/metadata/annotations/a",
];

function jsonPatch(random: Random): Json {
  return Array.from({ length: random.pick([1, 2, 5, 10_001]) }, () => ({
    op: random.pick<Json>(["add", "remove", "replace", "move", "copy", "test", "spam", 1]),
    path: random.pick(pointers),
    ...(random.chance(0.3) ? { from: random.pick(pointers) } : {}),
    ...(random.chance(0.7) ? { value: wild(random, 1) } : {}),
  }));
}

function directives(random: Random): Json {
  const directive: Json = {
    $patch: random.pick<Json>(["replace", "delete", "merge", "explode", 7, null]),
    $retainKeys: wild(random, 1),
    "$setElementOrder/containers": wild(random, 2),
    "$deleteFromPrimitiveList/finalizers": wild(random, 2),
    containers: [{ $patch: "delete" }, wild(random, 1), { name: wild(random, 0) }],
  };
  return random.pick<Json>([
    directive,
    { spec: directive },
    { spec: { template: { spec: directive } } },
    { metadata: directive },
    [directive],
  ]);
}
