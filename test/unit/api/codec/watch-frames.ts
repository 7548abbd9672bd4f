import { WireReader } from "../../../../src/api/schema/wire.ts";

/** Reads the watch event in a frame: its type, and the body that its object is. */
export function readEvent(frame: Buffer): { type: string; object: Buffer } {
  const reader = new WireReader(frame, 4, 4 + frame.readUInt32BE(0));
  reader.tag();
  const type = reader.text();
  reader.tag();
  const raw = reader.message();
  raw.tag();
  return { type, object: raw.bytes() };
}
