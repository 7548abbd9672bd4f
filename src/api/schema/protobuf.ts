import { parseJson } from "../codec/json-numbers.ts";
import { canonicalQuantity } from "../meta/quantity.ts";
import { formatDuration } from "../meta/time.ts";
import type { FieldFacts } from "./facts.ts";
import { timeOfSeconds } from "./scalars.ts";
import { isNamedType, itemType, type JsonObject, setKey, typeFacts, valueType } from "./struct.ts";
import { WireReader } from "./wire.ts";

/** Reads one value of a field, its tag being read already. */
type ValueReader = (reader: WireReader, wireType: number) => unknown;
/** Reads one field of a message into the object that is being built. */
type FieldReader = (reader: WireReader, wireType: number, into: JsonObject) => void;

const messages = new Map<string, Map<number, FieldReader>>();

/**
 * The object that a protobuf message of the type holds, as JSON would show it: zero values that Go leaves out are left out.
 * Unknown fields are skipped. Throws WireError on broken input.
 */
export function decodeMessage(typeName: string, reader: WireReader, into: JsonObject = {}): JsonObject {
  const fields = messageFields(typeName);
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    const field = fields.get(Math.floor(tag / 8));
    if (field) field(reader, tag & 7, into);
    else reader.skipField(tag & 7);
  }
  return into;
}

function messageFields(typeName: string): Map<number, FieldReader> {
  const known = messages.get(typeName);
  if (known) return known;
  const fields = new Map<number, FieldReader>();
  messages.set(typeName, fields);
  for (const [name, facts] of Object.entries(typeFacts(typeName).fields ?? {}))
    if (facts.pb !== undefined) fields.set(facts.pb, fieldReader(name, facts));
  return fields;
}

function fieldReader(name: string, facts: FieldFacts): FieldReader {
  if (name.startsWith("~")) return (reader, _, into) => void decodeMessage(facts.type, reader.message(), into);
  const item = facts.type.startsWith("[") ? itemType(facts.type) : undefined;
  if (item !== undefined) return listReader(name, item);
  const element = valueType(facts.type);
  if (element !== undefined) return mapReader(name, element);
  const read = valueReader(facts.type);
  const omitZero = !facts.ptr && !facts.keep;
  return (reader, wireType, into) => {
    const value = read(reader, wireType);
    if (value === undefined || (omitZero && !value)) return;
    into[name] = value;
  };
}

function listReader(name: string, item: string): FieldReader {
  const read = valueReader(item);
  const isNumber = ["int32", "int64", "bool"].includes(item);
  return (reader, wireType, into) => {
    const list = (into[name] ??= []) as unknown[]; // the only writer of this field
    if (isNumber && wireType === 2) {
      for (const packed = reader.message(); packed.pos < packed.end; ) list.push(read(packed, 0));
    } else list.push(read(reader, wireType) ?? null);
  };
}

function mapReader(name: string, element: string): FieldReader {
  const read = valueReader(element);
  const empty = element === "quantity" ? "0" : element === "string" || element === "bytes" ? "" : undefined;
  return (reader, _, into) => {
    const map = (into[name] ??= {}) as JsonObject; // the only writer of this field
    let key = "";
    let value: unknown = empty;
    for (const entry = reader.message(); entry.pos < entry.end; ) {
      const tag = entry.tag();
      if (tag >> 3 === 1) key = entry.text();
      else if (tag >> 3 === 2) value = read(entry, tag & 7) ?? empty;
      else entry.skipField(tag & 7);
    }
    setKey(map, key, value ?? {});
  };
}

function valueReader(type: string): ValueReader {
  const scalar = scalarReaders[type];
  if (scalar) return scalar;
  const item = itemType(type);
  if (item !== undefined) return (reader) => repeated(reader.message(), valueReader(item));
  if (!isNamedType(type)) throw new Error(`no protobuf form of ${type}`);
  return (reader) => decodeMessage(type, reader.message());
}

function repeated(reader: WireReader, read: ValueReader): unknown[] {
  const list: unknown[] = [];
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag >> 3 === 1) list.push(read(reader, tag & 7));
    else reader.skipField(tag & 7);
  }
  return list;
}

const number: ValueReader = (reader) => reader.varint();
const text: ValueReader = (reader) => reader.text();
const numberFirst = { 1: number };
const textFirst = { 1: text };
const timestamp = { 1: number, 2: number };
const intOrString = { 1: number, 2: number, 3: text };

const scalarReaders: Record<string, ValueReader | undefined> = {
  string: text,
  bool: (reader) => reader.varint() !== 0,
  int32: number,
  int64: number,
  float64: (reader) => reader.double(),
  bytes: (reader) => reader.bytes().toString("base64"),
  time: (reader) => readTime(reader.message(), false),
  "micro-time": (reader) => readTime(reader.message(), true),
  duration: (reader) => formatDuration(Number(messageValues(reader.message(), numberFirst)[1] ?? 0) / 1e6),
  quantity: (reader) => canonicalQuantity(String(messageValues(reader.message(), textFirst)[1] || "0")),
  "int-or-string": (reader) => {
    const values = messageValues(reader.message(), intOrString);
    return values[1] === 1 ? (values[3] ?? "") : (values[2] ?? 0);
  },
  "raw-object": (reader) => rawJson(reader.message()),
  "fields-v1": (reader) => rawJson(reader.message()),
  json: (reader) => rawJson(reader.message()),
  "schema-or-bool": (reader) => {
    const values = messageValues(reader.message(), { 1: number, 2: schema });
    return values[2] ?? values[1] === 1;
  },
  "schema-or-array": (reader) => {
    const list: unknown[] = [];
    const values = messageValues(reader.message(), { 1: schema, 2: (r, wireType) => void list.push(schema(r, wireType)) });
    return values[1] ?? list;
  },
  "schema-or-strings": (reader) => {
    const list: string[] = [];
    const values = messageValues(reader.message(), { 1: schema, 2: (r) => void list.push(r.text()) });
    return values[1] ?? list;
  },
};

function schema(reader: WireReader, _wireType: number): JsonObject {
  return decodeMessage("apiextensions.v1.JSONSchemaProps", reader.message());
}

function messageValues(reader: WireReader, readers: Record<number, ValueReader>): Record<number, unknown> {
  const values: Record<number, unknown> = {};
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    const read = readers[tag >> 3];
    if (read) values[tag >> 3] = read(reader, tag & 7);
    else reader.skipField(tag & 7);
  }
  return values;
}

function readTime(reader: WireReader, micro: boolean): string | undefined {
  if (reader.pos === reader.end) return undefined;
  const values = messageValues(reader, timestamp);
  return timeOfSeconds(Number(values[1] ?? 0), Number(values[2] ?? 0), micro);
}

function rawJson(reader: WireReader): unknown {
  const raw = messageValues(reader, textFirst)[1];
  return typeof raw === "string" && raw !== "" ? parseJson(raw) : undefined;
}

/** The parts of the envelope around every Kubernetes protobuf body. */
export interface ProtobufEnvelope {
  apiVersion: string;
  kind: string;
  raw: Buffer;
  contentType: string;
  contentEncoding: string;
}

/** Whether the body begins with the mark of Kubernetes protobuf bodies. */
export function hasProtobufMark(body: Uint8Array): boolean {
  return body.length >= 4 && body[0] === 0x6b && body[1] === 0x38 && body[2] === 0x73 && body[3] === 0;
}

/** Opens the envelope of a body that begins with the mark: runtime.Unknown. Throws WireError on broken input. */
export function openEnvelope(body: Uint8Array): ProtobufEnvelope {
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const meta: ValueReader = (reader) => messageValues(reader.message(), { 1: text, 2: text });
  const values = messageValues(new WireReader(buffer, 4), { 1: meta, 2: (r) => r.bytes(), 3: text, 4: text });
  const typeMeta = (values[1] ?? {}) as Record<number, string>; // as read by `meta` above
  return {
    apiVersion: typeMeta[1] ?? "",
    kind: typeMeta[2] ?? "",
    raw: Buffer.isBuffer(values[2]) ? values[2] : Buffer.alloc(0),
    contentEncoding: String(values[3] ?? ""),
    contentType: String(values[4] ?? ""),
  };
}
