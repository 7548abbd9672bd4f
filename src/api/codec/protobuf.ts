import type { ManagedFields } from "../meta/apply/managed-fields.ts";
import type { KubeObject } from "../meta/object.ts";
import { encodeField, encodeMessage } from "../schema/protobuf-encode.ts";
import { typeOfKind } from "../schema/struct.ts";

/** The media type of Kubernetes' protobuf. */
export const protobufType = "application/vnd.kubernetes.protobuf";

/** Four bytes in front of every body: they tell it from JSON. */
const mark = Buffer.from("k8s\0");

const managedBytes = new WeakMap<ManagedFields, Buffer>();

/** The object with its managedFields, ready to be encoded: those are encoded once for all objects that share them. */
export function withManaged<T extends KubeObject>(object: T, managed: ManagedFields | undefined): T {
  if (!managed) return object;
  let managedFields = managedBytes.get(managed);
  if (!managedFields) managedBytes.set(managed, (managedFields = encodeField("meta.v1.ObjectMeta", "managedFields", managed.entries)));
  return { ...object, metadata: { ...object.metadata, managedFields } };
}

/** A body: the mark, and in an envelope (runtime.Unknown) what the object is, and the object. */
export function encodeProtobuf(object: object): Buffer {
  return Buffer.concat(envelope(object, [encodeMessage(typeOf(object), object)]));
}

/** How many objects of a list are encoded before others have their turn. */
const atOnce = 256;

/** The body of a list in pieces, that many objects at a time: encoding thousands takes longer than others should wait. */
export async function encodeList<T>(list: object, items: readonly T[], objectOf: (item: T) => object): Promise<Buffer[]> {
  const type = typeOf(list);
  const raw: [Buffer, ...Buffer[]] = [encodeMessage(type, list)];
  for (let i = 0; i < items.length; i += atOnce) {
    if (i > 0) await new Promise(setImmediate);
    raw.push(encodeField(type, "items", items.slice(i, i + atOnce).map(objectOf)));
  }
  return envelope(list, raw);
}

interface TypeMeta {
  apiVersion?: string;
  kind?: string;
}

function typeOf({ apiVersion = "", kind = "" }: TypeMeta): string {
  const type = apiVersion === "" || apiVersion.startsWith("meta.k8s.io/") ? `meta.v1.${kind}` : typeOfKind(apiVersion, kind);
  if (!type) throw new Error(`no protobuf form of ${apiVersion} ${kind}`);
  return type;
}

function envelope({ apiVersion = "", kind = "" }: TypeMeta, [first, ...rest]: [Buffer, ...Buffer[]]): Buffer[] {
  const length = rest.reduce((sum, part) => sum + part.length, first.length);
  const typeMeta = Buffer.concat([field(1, apiVersion), field(2, kind)]);
  // Content encoding and type are there, and empty.
  return [Buffer.concat([mark, field(1, typeMeta), head(2, length), first]), ...rest, Buffer.concat([field(3, ""), field(4, "")])];
}

/** A watch event in a frame: its length in four bytes, and the event, which has the object as a body of its own. */
export function encodeEvent(type: string, object: object): Buffer {
  const event = Buffer.concat([field(1, type), field(2, field(1, encodeProtobuf(object)))]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(event.length);
  return Buffer.concat([length, event]);
}

function field(number: number, content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([head(number, bytes.length), bytes]);
}

/** The tag and length of a length-delimited field. */
function head(number: number, length: number): Buffer {
  const bytes = [number * 8 + 2];
  let rest = length;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}
