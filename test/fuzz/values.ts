import type { Random } from "./random.ts";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Names that mean something to JavaScript, or to whoever writes a parser. */
const names = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "length",
  "then",
  "",
  " ",
  "a.b",
  "a/b",
  "$patch",
  "0",
  "\u0000",
];

const texts = [
  "",
  " ",
  "Bad Name!",
  "x".repeat(300),
  "../../etc/passwd",
  "\u0000",
  "\ud800",
  "é́",
  "<none>",
  "null",
  "1e999",
  "-1",
  "10Ki",
  "999999999999999999999Ei",
  "1e1000000000",
  "0x10",
  "2026-13-45T99:99:99Z",
  "9999-12-31T23:59:59.999999999Z",
  "* * * * *",
  "0 0 31 2 *",
  "127.0.0.1/33",
  "::ffff:1.2.3.4",
  "(a+)+$",
  "$(A)$(A)",
  "%s%n",
  "{{.}}",
  "true",
  "\r\nX-Injected: 1",
];

const numbers = [0, -0, -1, 1.5, 2 ** 31, -(2 ** 31) - 1, 2 ** 53, 2 ** 63, -(2 ** 63), 2 ** 64, 1e300, 5e-324];

/** A value of any type at all. */
export function wild(random: Random, depth = 3): Json {
  switch (random.below(depth > 0 ? 8 : 5)) {
    case 0:
      return random.pick(texts);
    case 1:
      return random.pick(numbers);
    case 2:
      return random.chance(0.5);
    case 3:
      return null;
    case 4:
      return random.pick(names);
    case 5:
      return Array.from({ length: random.below(4) }, () => wild(random, depth - 1));
    default:
      return fromEntries(Array.from({ length: random.below(4) }, () => [random.pick(names), wild(random, depth - 1)]));
  }
}

/** An object with these members of its own, also one that is called __proto__. */
function fromEntries(entries: [string, Json][]): Json {
  return Object.fromEntries(entries);
}

/** A copy of the value in which some fields have other values, are gone, or are joined by unknown ones. */
export function broken(value: Json, random: Random, changes = 1 + random.below(3)): Json {
  let result = value;
  for (let i = 0; i < changes; i++) result = brokenOnce(result, random);
  return result;
}

function brokenOnce(value: Json, random: Random): Json {
  if (typeof value !== "object" || value === null || random.chance(0.15)) return wild(random);
  if (Array.isArray(value)) {
    if (value.length === 0 || random.chance(0.2)) return [...value, ...value, wild(random)];
    const at = random.below(value.length);
    return value.map((each, i) => (i === at ? brokenOnce(each, random) : each));
  }
  const keys = Object.keys(value);
  const key = keys.length > 0 && random.chance(0.9) ? random.pick(keys) : random.pick(names);
  if (random.chance(0.1)) return fromEntries(Object.entries(value).filter(([name]) => name !== key));
  return fromEntries([...Object.entries(value).filter(([name]) => name !== key), [key, brokenOnce(value[key] ?? null, random)]]);
}

/** JSON text with what JSON.stringify never writes: members twice, numbers without bounds, lone surrogates, __proto__, cut ends. */
export function brokenText(text: string, random: Random): Buffer {
  switch (random.below(9)) {
    case 0:
      return Buffer.from(text.slice(0, random.below(text.length)));
    case 1:
      return Buffer.from(text.replace("{", `{"kind":"Other","__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},`));
    case 2:
      return Buffer.from(text.replace(/:"[^"]*"/, `:${"9".repeat(1 + random.below(500))}e${random.below(1000)}`));
    case 3:
      return Buffer.from(text.replace(/:"/, ':"\\ud800\\u0000\\uFFFF'));
    case 4: {
      const bytes = Buffer.from(text);
      for (let i = 0; i < 3; i++) bytes[random.below(bytes.length)] = random.below(256);
      return bytes;
    }
    case 5: {
      const depth = random.pick([100, 1000, 10_001, 100_000]);
      return Buffer.from(text.replace("{", `{"deep":${random.pick(["[", '{"a":']).repeat(depth)}`));
    }
    case 6: {
      const depth = random.pick([100, 9_999, 20_000]);
      return Buffer.from(text.replace("{", `{"deep":${"[".repeat(depth)}${"]".repeat(depth)},`));
    }
    case 7:
      return Buffer.concat([Buffer.from(random.pick(["\ufeff", "//", "\u0000", "[", "'", "NaN", "// c\n"])), Buffer.from(text)]);
    default:
      return Buffer.from(random.pick(["", "{}", "[]", "null", "0", '""', "{", "}", "tru", '{"a":1}{"b":2}', '{"":""}', " ", text + text]));
  }
}

/** The bytes of a body: the value as it is, or its text broken too. */
export function bytesOf(value: Json, random: Random): Buffer {
  const text = JSON.stringify(value);
  return random.chance(0.3) ? brokenText(text, random) : Buffer.from(text);
}

/** YAML that means much more than it says, or nothing at all. */
export function brokenYaml(text: string, random: Random): Buffer {
  switch (random.below(6)) {
    case 0: {
      const levels = Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`);
      return Buffer.from(`a0: &a0 [lol]\n${levels.join("\n")}\n${text}`);
    }
    case 1:
      return Buffer.from(`a: &a {b: *a}\n<<: *a\n`);
    case 2:
      return Buffer.from(`? {a: b}\n: !!binary "////"\n!!js/function "x": !!python/object:os.system [ls]\n`);
    case 3:
      return Buffer.from(`${"- ".repeat(random.pick([10, 5000]))}a`);
    case 4:
      return Buffer.from(`${text}\n---\n${text}\n...\n%YAML 9.9\n`);
    default:
      return brokenText(text, random);
  }
}
