/**
 * Kubernetes quantities ("100m", "1.5Gi", "1e3"), exact to the nano: all arithmetic is on BigInt nano-units.
 * Finer fractions are rounded away from zero and values beyond 2^63-1 are capped, as in Kubernetes.
 */
export interface Quantity {
  /** The value times 10^9. */
  readonly nano: bigint;
  readonly format: QuantityFormat;
}

/** Which family of suffixes a quantity is written with. */
export type QuantityFormat = "DecimalSI" | "BinarySI" | "DecimalExponent";

const pattern = /^([+-]?)(\d*)(?:\.(\d*))?([eE][+-]?\d+|[numkMGTPE]|[KMGTPE]i)?$/;
const decimalSuffixes = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const binarySuffixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const one = 1_000_000_000n;
const cap = (2n ** 63n - 1n) * one;
const cacheLimit = 20_000;
const parsed = new Map<string, Quantity>();
const canonical = new Map<string, string>();
const wholes = new Map<string, number>();
const thousandths = new Map<string, number>();

/** The quantity that the text or number stands for. Throws an Error with upstream's words when it is none. */
export function parseQuantity(text: string | number): Quantity {
  const key = typeof text === "number" ? String(text) : text;
  const known = parsed.get(key);
  if (known) return known;
  const quantity = parse(key.trim());
  if (parsed.size >= cacheLimit) parsed.clear();
  parsed.set(key, quantity);
  return quantity;
}

/** Whether the text is a quantity. */
export function isQuantity(text: string | number): boolean {
  try {
    parseQuantity(text);
    return true;
  } catch {
    return false;
  }
}

/** The text in the form that the API server stores and returns: "1000m" is "1", "1.5Gi" is "1536Mi". Throws as parseQuantity does. */
export function canonicalQuantity(text: string | number): string {
  const key = typeof text === "number" ? String(text) : text;
  let known = canonical.get(key);
  if (known === undefined) {
    known = formatQuantity(parseQuantity(key));
    if (canonical.size >= cacheLimit) canonical.clear();
    canonical.set(key, known);
  }
  return known;
}

/** The quantity as text, in canonical form. */
export function formatQuantity({ nano, format }: Quantity): string {
  if (nano === 0n) return "0";
  if (format === "BinarySI" && abs(nano) >= 1024n * one) return formatBinary(roundUp(nano, one));
  return formatDecimal(nano, format === "DecimalExponent");
}

/** A quantity of that many whole units. */
export function quantityOf(units: number | bigint, format: QuantityFormat = "DecimalSI"): Quantity {
  return { nano: BigInt(units) * one, format };
}

/** A quantity of that many thousandths, as in millicores. */
export function quantityOfMilli(milli: number | bigint, format: QuantityFormat = "DecimalSI"): Quantity {
  return { nano: BigInt(milli) * 1_000_000n, format };
}

/** The whole units, rounded up. Numbers above 2^53 lose precision. */
export function value(quantity: Quantity | string | number): number {
  return rounded(quantity, one, wholes);
}

/** The thousandths, rounded up: millicores of a CPU quantity. */
export function milliValue(quantity: Quantity | string | number): number {
  return rounded(quantity, 1_000_000n, thousandths);
}

/** Asked of the few texts that there are for each of thousands of pods and nodes. */
function rounded(quantity: Quantity | string | number, unit: bigint, known: Map<string, number>): number {
  if (typeof quantity !== "string") return Number(roundUp(nanoOf(quantity), unit));
  let number = known.get(quantity);
  if (number === undefined) {
    number = Number(roundUp(nanoOf(quantity), unit));
    if (known.size >= cacheLimit) known.clear();
    known.set(quantity, number);
  }
  return number;
}

/** The value as a floating point number, rounded to what one can hold. */
export function approximateValue(quantity: Quantity | string | number): number {
  return Number(nanoOf(quantity)) / 1e9;
}

/** -1, 0 or 1 as a is less than, equal to or greater than b. */
export function compareQuantities(a: Quantity | string | number, b: Quantity | string | number): -1 | 0 | 1 {
  const left = nanoOf(a);
  const right = nanoOf(b);
  return left < right ? -1 : left > right ? 1 : 0;
}

/** a + b, written as a is (as b, when a is zero). */
export function addQuantities(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano + b.nano, format: a.nano === 0n ? b.format : a.format };
}

/** a - b, written as a is (as b, when a is zero). */
export function subtractQuantities(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano - b.nano, format: a.nano === 0n ? b.format : a.format };
}

/** Zero, from which sums start. */
export const zeroQuantity: Quantity = { nano: 0n, format: "DecimalSI" };

function nanoOf(quantity: Quantity | string | number): bigint {
  return typeof quantity === "object" ? quantity.nano : parseQuantity(quantity).nano;
}

function parse(text: string): Quantity {
  if (text === "") throw new Error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
  const match = pattern.exec(text);
  if (!match || !(match[2] || match[3])) throw new Error(complaint(text));
  const [, sign, whole = "", fraction = "", suffix = ""] = match;
  const { multiplier, divisor, format } = scaleOf(suffix);
  const digits = BigInt(whole + fraction);
  const scale = 10n ** BigInt(fraction.length) * divisor;
  const magnitude = min(roundUp(digits * multiplier * one, scale), cap);
  const nano = sign === "-" ? -magnitude : magnitude;
  return { nano, format: format === "BinarySI" && magnitude < one ? "DecimalSI" : format };
}

function scaleOf(suffix: string): { multiplier: bigint; divisor: bigint; format: QuantityFormat } {
  if (suffix.length === 2 && suffix.endsWith("i"))
    return { multiplier: 1024n ** BigInt(binarySuffixes.indexOf(suffix)), divisor: 1n, format: "BinarySI" };
  const exponential = suffix.length > 1;
  const exponent = exponential ? clampExponent(Number(suffix.slice(1))) : (decimalSuffixes.indexOf(suffix) - 3) * 3;
  const format = exponential ? "DecimalExponent" : "DecimalSI";
  if (exponent < 0) return { multiplier: 1n, divisor: 10n ** BigInt(-exponent), format };
  return { multiplier: 10n ** BigInt(exponent), divisor: 1n, format };
}

// Beyond these powers every value is capped or rounded to one nano anyway; this keeps "1e999999999" cheap.
function clampExponent(exponent: number): number {
  return Math.max(-1000, Math.min(1000, exponent));
}

function complaint(text: string): string {
  if (!/^[+-]?[0-9.]+([eEinumkKMGTP]*[-+]?[0-9]*)$/.test(text))
    return "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
  return /^[+-]?(\d+\.?\d*|\.\d+)/.test(text) ? "unable to parse quantity's suffix" : "unable to parse numeric part of quantity";
}

function formatBinary(units: bigint): string {
  let power = 0;
  while (power < binarySuffixes.length - 1 && units % 1024n === 0n) {
    units /= 1024n;
    power++;
  }
  return `${units}${binarySuffixes[power]}`;
}

function formatDecimal(nano: bigint, exponential: boolean): string {
  let power = 0;
  while (power < decimalSuffixes.length - 1 && nano % 1000n === 0n) {
    nano /= 1000n;
    power++;
  }
  if (!exponential) return `${nano}${decimalSuffixes[power]}`;
  return power === 3 ? `${nano}` : `${nano}e${(power - 3) * 3}`;
}

function roundUp(amount: bigint, unit: bigint): bigint {
  const quotient = amount / unit;
  if (amount % unit === 0n) return quotient;
  return amount > 0n ? quotient + 1n : quotient - 1n;
}

function abs(n: bigint): bigint {
  return n < 0n ? -n : n;
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
