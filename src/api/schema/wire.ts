/** A reader of protobuf's wire format. Numbers beyond 2^53 lose their last bits; texts are UTF-8. Throws WireError on broken input. */
export class WireReader {
  pos: number;
  readonly end: number;
  private readonly buffer: Buffer;

  constructor(buffer: Buffer, pos = 0, end = buffer.length) {
    this.buffer = buffer;
    this.pos = pos;
    this.end = end;
  }

  /** The next tag: field number times 8 plus wire type. */
  tag(): number {
    const tag = this.varint();
    if (tag < 8) throw new WireError(`proto: illegal tag ${tag}`);
    return tag;
  }

  /** A varint as a number, two's complement for negative ones. */
  varint(): number {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.pos >= this.end) throw new WireError("unexpected EOF");
      const byte = this.buffer[this.pos++] as number; // in range: checked above
      if (shift < 28) low |= (byte & 0x7f) << shift;
      else if (shift === 28) {
        low |= (byte & 0x0f) << 28;
        high = (byte & 0x7f) >> 4;
      } else if (shift < 63) high |= (byte & 0x7f) << (shift - 32);
      else high |= (byte & 1) << 31;
      if (byte < 0x80) return (high | 0) * 4294967296 + (low >>> 0);
    }
    throw new WireError("proto: integer overflow");
  }

  double(): number {
    const at = this.skip(8);
    return this.buffer.readDoubleLE(at);
  }

  text(): string {
    const length = this.varint();
    const at = this.skip(length);
    return length < 20 ? this.shortText(at, at + length) : this.buffer.toString("utf8", at, at + length);
  }

  /** Names are short and ASCII: putting them together here is faster than a call into native code. */
  private shortText(at: number, end: number): string {
    let text = "";
    for (let i = at; i < end; i++) {
      const byte = this.buffer[i] as number; // in range: the caller has looked
      if (byte >= 0x80) return this.buffer.toString("utf8", at, end);
      text += String.fromCharCode(byte);
    }
    return text;
  }

  /** The bytes of a length-delimited field; a view, not a copy. */
  bytes(): Buffer {
    const length = this.varint();
    const at = this.skip(length);
    return this.buffer.subarray(at, at + length);
  }

  /** A reader of the message that begins here; this one goes on after it. */
  message(): WireReader {
    const length = this.varint();
    const at = this.skip(length);
    return new WireReader(this.buffer, at, at + length);
  }

  /** Steps over a field of that wire type. */
  skipField(wireType: number): void {
    if (wireType === 0) this.varint();
    else if (wireType === 1) this.skip(8);
    else if (wireType === 2) this.skip(this.varint());
    else if (wireType === 5) this.skip(4);
    else throw new WireError(`proto: illegal wireType ${wireType}`);
  }

  private skip(length: number): number {
    const at = this.pos;
    if (length < 0 || at + length > this.end) throw new WireError("unexpected EOF");
    this.pos = at + length;
    return at;
  }
}

/** Bytes that are no protobuf message. */
export class WireError extends Error {}

/** A field to write: its number, and its value; undefined and zero values are left out. */
export type Field = [number, Buffer | string | number | boolean | undefined];

/** A protobuf message: texts and messages, whole numbers and booleans; a negative field number marks a double. */
export function message(fields: readonly Field[]): Buffer {
  const parts: Buffer[] = [];
  for (const [number, value] of fields) {
    if (value === undefined || value === "" || value === false) continue;
    if (number < 0) {
      const double = Buffer.alloc(8);
      double.writeDoubleLE(Number(value));
      parts.push(varint(-number * 8 + 1), double);
    } else if (typeof value === "number" || typeof value === "boolean") parts.push(varint(number * 8), varint(Number(value)));
    else {
      const bytes = Buffer.from(value);
      parts.push(varint(number * 8 + 2), varint(bytes.length), bytes);
    }
  }
  return Buffer.concat(parts);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}
