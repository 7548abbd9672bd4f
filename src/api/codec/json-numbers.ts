/**
 * JSON whose whole numbers keep all their digits. Go's servers read a number as an int64 where it fits, so that clients in Go may send any:
 * those that a double does not hold for sure are bigints here, from the body to the store and back. Code for built-in kinds never meets
 * one: their fields of type int64 refuse it (src/api/schema/prune.ts). See "JSON.parse source text access" of ECMAScript.
 */

declare global {
  interface BigInt {
    /** JSON.stringify asks every value for it: the digits as they are. */
    toJSON(): unknown;
  }
  interface JSON {
    rawJSON(text: string): unknown;
  }
}

Object.defineProperty(BigInt.prototype, "toJSON", {
  value(this: bigint) {
    return JSON.rawJSON(String(this));
  },
});

const longNumber = /\d{16}/;
const smallest = -(2n ** 63n);
const greatest = 2n ** 63n - 1n;

/** As JSON.parse, with bigints for the whole numbers of an int64 beyond 2^53. Texts without a row of 16 digits cost a look. */
export function parseJson(text: string): unknown {
  return longNumber.test(text) ? JSON.parse(text, withAllDigits) : JSON.parse(text);
}

function withAllDigits(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context?.source ?? "";
  return /^-?\d+$/.test(source) ? wholeNumber(BigInt(source)) : value;
}

/** A whole number as it is kept: as a number where that is exact for sure, or where it is beyond an int64, as in Go. */
export function wholeNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) || value < smallest || value > greatest ? number : value;
}
