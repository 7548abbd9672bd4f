import { parseDuration } from "../meta/time.ts";
import type { FieldFacts } from "./facts.ts";
import { isJsonObject, isNamedType, itemType, type JsonObject, typeFacts, valueType } from "./struct.ts";
import { WireWriter } from "./wire-writer.ts";

/** Writes a field with its tag, or nothing where Go writes nothing. */
type FieldWriter = (writer: WireWriter, from: JsonObject) => void;

/** How values of a type are written, without tag and length. */
interface Form {
  wireType: 0 | 1 | 2;
  /** `undefined` stands for Go's zero value. */
  write(writer: WireWriter, value: unknown): void;
}

/** The protobuf message of an object of the type, byte for byte as Kubernetes' own encoder writes it. */
export function encodeMessage(typeName: string, object: object): Buffer {
  const writer = new WireWriter();
  writeMessage(typeName, writer, object as JsonObject); // An object of a known type is a JSON object.
  return writer.finish();
}

/** One field alone, with its tag: it may be given in the place of the field's value where objects share it. */
export function encodeField(typeName: string, name: string, value: unknown): Buffer {
  const writer = new WireWriter();
  const facts = typeFacts(typeName).fields?.[name];
  if (facts) fieldWriter(name, facts)(writer, { [name]: value });
  return writer.finish();
}

/** Whether the type has a protobuf form. */
export function hasMessage(typeName: string | undefined): boolean {
  return typeName !== undefined && typeFacts(typeName).fields?.["metadata"]?.pb !== undefined;
}

const messages = new Map<string, FieldWriter[]>();

function writeMessage(typeName: string, writer: WireWriter, object: JsonObject): void {
  for (const write of messageWriters(typeName)) write(writer, object);
}

/** The writers of a message's fields, the last field first. */
function messageWriters(typeName: string): FieldWriter[] {
  const known = messages.get(typeName);
  if (known) return known;
  const numbered = Object.entries(typeFacts(typeName).fields ?? {}).filter(([, { pb }]) => pb !== undefined);
  const writers = numbered.sort(([, a], [, b]) => (b.pb ?? 0) - (a.pb ?? 0)).map(([name, facts]) => fieldWriter(name, facts));
  messages.set(typeName, writers);
  return writers;
}

function fieldWriter(name: string, facts: FieldFacts): FieldWriter {
  const number = (facts.pb ?? 0) * 8;
  if (name.startsWith("~"))
    return (writer, from) => {
      const since = writer.length;
      writeMessage(facts.type, writer, from);
      writer.delimit(number + 2, since);
    };
  const item = facts.type.startsWith("[") ? itemType(facts.type) : undefined;
  if (item !== undefined) return listWriter(name, number, item);
  const element = valueType(facts.type);
  if (element !== undefined) return mapWriter(name, number, element);
  const form = formOf(facts.type);
  const canMiss = facts.ptr === true || facts.type === "bytes" || itemType(facts.type) !== undefined;
  return (writer, from) => {
    const value = from[name] ?? undefined;
    if (value !== undefined || !canMiss) writeTagged(writer, number, form, value);
  };
}

function writeTagged(writer: WireWriter, number: number, { wireType, write }: Form, value: unknown): void {
  const since = writer.length;
  write(writer, value);
  if (wireType === 2) writer.delimit(number + 2, since);
  else writer.varint(number + wireType);
}

function listWriter(name: string, number: number, item: string): FieldWriter {
  const form = formOf(item);
  return (writer, from) => {
    const list = from[name];
    if (list instanceof Uint8Array) writer.bytes(list);
    if (!Array.isArray(list)) return;
    for (let i = list.length - 1; i >= 0; i--) writeTagged(writer, number, form, list[i] ?? undefined);
  };
}

function mapWriter(name: string, number: number, element: string): FieldWriter {
  const form = formOf(element);
  return (writer, from) => {
    const map = from[name];
    if (!isJsonObject(map)) return;
    for (const key of Object.keys(map).sort().reverse()) {
      const since = writer.length;
      writeTagged(writer, 16, form, map[key] ?? undefined);
      writeTagged(writer, 8, text, key);
      writer.delimit(number + 2, since);
    }
  };
}

function formOf(type: string): Form {
  const scalar = scalars[type];
  if (scalar) return scalar;
  const item = itemType(type);
  if (item !== undefined) {
    const form = formOf(item);
    return delimited((writer, list) => {
      if (Array.isArray(list)) for (const one of list.toReversed()) writeTagged(writer, 8, form, one ?? undefined);
    });
  }
  if (!isNamedType(type)) throw new Error(`no protobuf form of ${type}`);
  return delimited((writer, value) => writeMessage(type, writer, isJsonObject(value) ? value : {}));
}

function delimited(write: Form["write"]): Form {
  return { wireType: 2, write };
}

const integer: Form = { wireType: 0, write: (writer, value) => writer.varint(Number(value ?? 0)) };
const text = delimited((writer, value) => writer.text(String(value ?? "")));
const bytes = delimited((writer, value) => writer.bytes(Buffer.from(String(value ?? ""), "base64")));

/** A message of which field 1 has the value as JSON. */
const rawJson = delimited((writer, value) => {
  if (value !== undefined) writeTagged(writer, 8, text, JSON.stringify(value));
});
const time = delimited((writer, value) => {
  if (typeof value !== "string") return;
  const [, fraction = ""] = /\.(\d+)Z$/.exec(value) ?? [];
  writeTagged(writer, 16, integer, Number(fraction.slice(0, 9).padEnd(9, "0")));
  writeTagged(writer, 8, integer, Math.floor(Date.parse(value) / 1000));
});
const schema = delimited((writer, value) => writeMessage("apiextensions.v1.JSONSchemaProps", writer, isJsonObject(value) ? value : {}));

/** A schema, or a list of what `item` writes. */
function schemaOrList(item: Form): Form {
  return delimited((writer, value) => {
    if (!Array.isArray(value)) return writeTagged(writer, 8, schema, value);
    for (const one of value.toReversed()) writeTagged(writer, 16, item, one);
  });
}

const scalars: Record<string, Form | undefined> = {
  string: text,
  bool: { wireType: 0, write: (writer, value) => writer.varint(value === true ? 1 : 0) },
  int32: integer,
  int64: integer,
  float64: { wireType: 1, write: (writer, value) => writer.double(Number(value ?? 0)) },
  bytes,
  time,
  "micro-time": time,
  duration: delimited((writer, value) => writeTagged(writer, 8, integer, Math.round((parseDuration(String(value ?? "0s")) ?? 0) * 1e6))),
  quantity: delimited((writer, value) => writeTagged(writer, 8, text, String(value ?? "0"))),
  "int-or-string": delimited((writer, value) => {
    writeTagged(writer, 24, text, typeof value === "string" ? value : "");
    writeTagged(writer, 16, integer, typeof value === "number" ? value : 0);
    writeTagged(writer, 8, integer, typeof value === "string" ? 1 : 0);
  }),
  "raw-object": rawJson,
  "fields-v1": rawJson,
  json: rawJson,
  "schema-or-bool": delimited((writer, value) => {
    if (isJsonObject(value)) writeTagged(writer, 16, schema, value);
    writeTagged(writer, 8, integer, value === false ? 0 : 1);
  }),
  "schema-or-array": schemaOrList(schema),
  "schema-or-strings": schemaOrList(text),
};
