/**
 * What JSON.parse does not tell: keys that occur twice, and what is wrong in the words that Go users know. Two speeds: counting
 * for every body, JsonScan only for those where there is something to say.
 */

const quote = 0x22;
const backslash = 0x5c;
const deepest = 10_000;

/** How many keys with their values a JSON body has, equal keys counted each. Throws JsonError when it is nested too deep to work with. */
export function countMembers(body: Uint8Array): number {
  let members = 0;
  let depth = 0;
  for (let i = 0; i < body.length; i++) {
    const c = body[i];
    if (c === quote) {
      while (body[++i] !== quote) if (body[i] === backslash) i++;
    } else if (c === 0x3a) members++;
    else if (c === 0x7b || c === 0x5b) {
      if (++depth > deepest) throw new JsonError("exceeded max depth");
    } else if (c === 0x7d || c === 0x5d) depth--;
  }
  return members;
}

/** How many keys the parsed value has: fewer than members where some key occurred twice in its object. */
export function countKeys(value: unknown): number {
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === "object" && item !== null) count += countKeys(item);
  } else if (typeof value === "object" && value !== null) {
    for (const key in value) {
      count++;
      const member = (value as Record<string, unknown>)[key]; // key is one of its own
      if (typeof member === "object" && member !== null) count += countKeys(member);
    }
  }
  return count;
}

/** A body that is no JSON; the message is Go's. */
export class JsonError extends Error {}

/** Reads a JSON text character by character. */
export class JsonScan {
  private readonly text: string;
  private readonly unknown: ReadonlySet<string>;
  private readonly problems = new Set<string>();
  private pos = 0;

  constructor(text: string, unknown: ReadonlySet<string> = new Set()) {
    this.text = text;
    this.unknown = unknown;
  }

  /**
   * Strict errors in the order of the text: `duplicate field "spec.replicas"`, and `unknown field "spec.foo"` for the unknown paths given.
   * At most 100, each once. Throws JsonError at the first thing that is no JSON.
   */
  strictProblems(): string[] {
    this.space();
    this.value("", true);
    this.space();
    if (this.pos < this.text.length) throw this.unexpected("after top-level value");
    return [...this.problems].slice(0, 100);
  }

  private value(path: string, report: boolean): void {
    const c = this.text[this.pos];
    if (c === "{") this.object(path, report);
    else if (c === "[") this.array(path, report);
    else if (c === '"') this.string();
    else if (c === "t") this.literal("true");
    else if (c === "f") this.literal("false");
    else if (c === "n") this.literal("null");
    else if (c !== undefined && (c === "-" || isDigit(c))) this.number();
    else throw this.unexpected("looking for beginning of value");
  }

  private object(path: string, report: boolean): void {
    const seen = new Set<string>();
    this.pos++;
    this.space();
    if (this.text[this.pos] === "}") {
      this.pos++;
      return;
    }
    for (;;) {
      if (this.text[this.pos] !== '"') throw this.unexpected("looking for beginning of object key string");
      const key = this.string();
      const place = path ? `${path}.${key}` : key;
      const isUnknown = this.unknown.has(place);
      if (report && isUnknown) this.problems.add(`unknown field ${JSON.stringify(place)}`);
      else if (report && seen.has(key)) this.problems.add(`duplicate field ${JSON.stringify(place)}`);
      seen.add(key);
      this.space();
      if (this.text[this.pos] !== ":") throw this.unexpected("after object key");
      this.pos++;
      this.space();
      this.value(place, report && !isUnknown);
      if (this.ends("}", "after object key:value pair")) return;
    }
  }

  private array(path: string, report: boolean): void {
    this.pos++;
    this.space();
    if (this.text[this.pos] === "]") {
      this.pos++;
      return;
    }
    for (let i = 0; ; i++) {
      this.value(`${path}[${i}]`, report);
      if (this.ends("]", "after array element")) return;
    }
  }

  private ends(close: string, context: string): boolean {
    this.space();
    const c = this.text[this.pos];
    if (c !== close && c !== ",") throw this.unexpected(context);
    this.pos++;
    if (c === close) return true;
    this.space();
    return false;
  }

  private string(): string {
    const start = this.pos++;
    for (;;) {
      const c = this.text[this.pos];
      if (c === undefined || c < " ") throw this.unexpected("in string literal");
      this.pos++;
      if (c === '"') return JSON.parse(this.text.slice(start, this.pos));
      if (c === "\\") this.escape();
    }
  }

  private escape(): void {
    const c = this.text[this.pos];
    if (c === undefined || !'"\\/bfnrtu'.includes(c)) throw this.unexpected("in string escape code");
    this.pos++;
    for (let i = 0; c === "u" && i < 4; i++, this.pos++)
      if (!/[0-9a-fA-F]/.test(this.text[this.pos] ?? "")) throw this.unexpected("in \\u hexadecimal character escape");
  }

  private literal(word: string): void {
    for (let i = 0; i < word.length; i++, this.pos++)
      if (this.text[this.pos] !== word[i]) throw this.unexpected(`in literal ${word} (expecting '${word[i]}')`);
  }

  private number(): void {
    if (this.text[this.pos] === "-") this.pos++;
    if (this.text[this.pos] === "0") this.pos++;
    else this.digits("in numeric literal");
    if (this.text[this.pos] === ".") {
      this.pos++;
      this.digits("after decimal point in numeric literal");
    }
    if (this.text[this.pos] === "e" || this.text[this.pos] === "E") {
      this.pos++;
      if (this.text[this.pos] === "+" || this.text[this.pos] === "-") this.pos++;
      this.digits("in exponent of numeric literal");
    }
  }

  private digits(context: string): void {
    if (!isDigit(this.text[this.pos])) throw this.unexpected(context);
    while (isDigit(this.text[this.pos])) this.pos++;
  }

  private space(): void {
    while (this.pos < this.text.length && " \t\r\n".includes(this.text.charAt(this.pos))) this.pos++;
  }

  private unexpected(context: string): JsonError {
    const c = this.text[this.pos];
    if (c === undefined) return new JsonError("unexpected end of JSON input");
    const shown = c === "'" ? "'\\''" : c === '"' ? "'\"'" : `'${JSON.stringify(c).slice(1, -1).replace("\\u00", "\\x")}'`;
    return new JsonError(`invalid character ${shown} ${context}`);
  }
}

function isDigit(c: string | undefined): boolean {
  return c !== undefined && c >= "0" && c <= "9";
}
