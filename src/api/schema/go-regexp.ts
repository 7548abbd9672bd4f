import { createRequire } from "node:module";
import type { RE2JS } from "re2js";

const require = createRequire(import.meta.url);
const compiled = new Map<string, RE2JS>();

/**
 * A Go (RE2) expression, as patterns of custom resources and of CEL are: any text takes time in proportion to its length, where JavaScript's
 * own expressions may look for hours. One that cannot be read throws an Error in Go's words: "error parsing regexp: missing closing ]: `[`".
 */
export function goRegExp(pattern: string): RE2JS {
  let expression = compiled.get(pattern);
  if (!expression) {
    // 5 MB that clusters without patterns do not need.
    const { RE2JS } = require("re2js") as typeof import("re2js");
    expression = RE2JS.compile(pattern);
    if (compiled.size >= 1000) compiled.clear();
    compiled.set(pattern, expression);
  }
  return expression;
}
