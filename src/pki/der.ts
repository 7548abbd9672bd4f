/** One element of DER (ITU-T X.690): its tag and its content. */
export function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const size = integerBytes(length);
  return Buffer.concat([Buffer.from([tag, 0x80 | size.length]), size, content]);
}

/** A SEQUENCE of elements. */
export const sequence = (...contents: readonly Uint8Array[]): Buffer => element(0x30, ...contents);
/** A SET of elements. */
export const set = (...contents: readonly Uint8Array[]): Buffer => element(0x31, ...contents);
/** An OCTET STRING. */
export const octets = (content: Uint8Array): Buffer => element(0x04, content);
/** A UTF8String. */
export const utf8 = (text: string): Buffer => element(0x0c, Buffer.from(text));
/** The BOOLEAN TRUE; FALSE is the default everywhere here and is left out. */
export const yes: Buffer = element(0x01, Buffer.of(0xff));
/** NULL. */
export const nothing: Buffer = element(0x05);

/** The element in the place of an explicit tag [number], or an implicit one for a constructed type. */
export const tagged = (number: number, ...contents: readonly Uint8Array[]): Buffer => element(0xa0 | number, ...contents);

/** A number that is not negative, given by its bytes or, when small, as it is. */
export function integer(value: number | Uint8Array): Buffer {
  const bytes = typeof value === "number" ? integerBytes(value) : value;
  return element(0x02, (bytes[0] ?? 0) & 0x80 ? Buffer.of(0) : Buffer.of(), bytes);
}

/** A string of whole bytes as a BIT STRING. */
export const bits = (content: Uint8Array): Buffer => element(0x03, Buffer.of(0), content);

/** A BIT STRING with those bits set, the first bit is 0; for up to 8 of them. */
export function namedBits(...numbers: readonly number[]): Buffer {
  const byte = numbers.reduce((sum, number) => sum | (0x80 >> number), 0);
  return element(0x03, Buffer.of(7 - Math.max(...numbers), byte));
}

/** An object identifier from its dotted text. */
export function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((part) => {
    const digits = [part & 0x7f];
    for (let left = part >>> 7; left > 0; left >>>= 7) digits.unshift(0x80 | (left & 0x7f));
    return digits;
  });
  return element(0x06, Buffer.from(bytes));
}

/** A moment (milliseconds since 1970) as X.509 wants it (RFC 5280, 4.1.2.5): with two digits of the year until 2049. */
export function time(milliseconds: number): Buffer {
  const text = `${new Date(milliseconds).toISOString().replace(/[-:T]|\..*/g, "")}Z`;
  return Number(text.slice(0, 4)) < 2050 ? element(0x17, Buffer.from(text.slice(2))) : element(0x18, Buffer.from(text));
}

function integerBytes(value: number): Buffer {
  const hex = value.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex");
}

/** An element that was read. */
export interface Read {
  tag: number;
  /** The element with its header, as it stands. */
  whole: Buffer;
  content: Buffer;
}

/** The elements that stand one after the other in the content. Only for what a library has accepted as well-formed before. */
export function elementsOf(content: Buffer): Read[] {
  const found: Read[] = [];
  for (let at = 0; at < content.length; ) {
    const tag = content[at] ?? 0;
    const first = content[at + 1] ?? 0;
    const size = first & 0x80 ? first & 0x7f : 0;
    const start = at + 2 + size;
    const end = start + (size ? content.readUIntBE(at + 2, size) : first);
    found.push({ tag, whole: content.subarray(at, end), content: content.subarray(start, end) });
    at = end;
  }
  return found;
}
