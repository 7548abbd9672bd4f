/**
 * A writer of protobuf's wire format, from the end to the beginning: so the length of what is inside is known when what is around it is
 * written. Whoever writes a message writes its last field first.
 */
export class WireWriter {
  private buffer = Buffer.allocUnsafe(8192);
  private start = this.buffer.length;

  /** How many bytes have been written. */
  get length(): number {
    return this.buffer.length - this.start;
  }

  /** What has been written; a view, not a copy. */
  finish(): Buffer {
    return this.buffer.subarray(this.start);
  }

  /** Puts the tag of a length-delimited field, and the length of all that was written since, in front. */
  delimit(tag: number, since: number): void {
    this.varint(this.length - since);
    this.varint(tag);
  }

  /** Two's complement for negative numbers. */
  varint(value: number): void {
    if (value < 0) this.negative(value);
    else this.positive(value);
  }

  private positive(value: number): void {
    let size = 1;
    for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
    let at = this.room(size);
    let rest = value;
    for (; rest > 0x7fffffff; rest = Math.floor(rest / 128)) this.buffer[at++] = (rest % 128) | 0x80;
    for (; rest >= 128; rest >>>= 7) this.buffer[at++] = (rest & 0x7f) | 0x80;
    this.buffer[at] = rest;
  }

  double(value: number): void {
    this.buffer.writeDoubleLE(value, this.room(8));
  }

  bytes(value: Uint8Array): void {
    const at = this.room(value.length);
    this.buffer.set(value, at);
  }

  /** Names are short and ASCII: copying them here is faster than a call into native code. */
  text(value: string): void {
    if (value.length > 24 || !this.shortText(value)) this.longText(value);
  }

  /** Whether it has been written: what is not ASCII is not. */
  private shortText(value: string): boolean {
    const { length } = value;
    const at = this.room(length);
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code >= 0x80) {
        this.start += length;
        return false;
      }
      this.buffer[at + i] = code;
    }
    return true;
  }

  private longText(value: string): void {
    const length = Buffer.byteLength(value);
    const at = this.room(length);
    this.buffer.write(value, at, length, "utf8");
  }

  private negative(value: number): void {
    let bits = BigInt.asUintN(64, BigInt(value));
    const at = this.room(10);
    for (let i = 0; i < 9; i++, bits >>= 7n) this.buffer[at + i] = Number(bits & 0x7fn) | 0x80;
    this.buffer[at + 9] = Number(bits);
  }

  private room(size: number): number {
    if (size > this.start) {
      const { length } = this;
      const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, length + size));
      this.buffer.copy(larger, larger.length - length, this.start);
      this.buffer = larger;
      this.start = larger.length - length;
    }
    return (this.start -= size);
  }
}
