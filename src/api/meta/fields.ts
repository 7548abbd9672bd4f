import { badRequest } from "../errors.ts";
import { ownMember } from "../schema/struct.ts";
import type { KubeObject } from "./object.ts";

/** One condition of a field selector, all of which have to hold. */
export interface FieldRequirement {
  readonly field: string;
  readonly equal: boolean;
  readonly value: string;
}

/** The fields that a kind can be selected by, each with how to read it. */
export type FieldGetters = Readonly<Record<string, (object: KubeObject) => string>>;

/** The requirements of a text such as `metadata.name=x,spec.nodeName!=y`; "\" escapes ",", "=" and itself. Throws 400 in upstream's words. */
export function parseFieldSelector(text: string): FieldRequirement[] {
  return splitTerms(text)
    .filter((term) => term !== "")
    .map((term) => {
      const match = /^((?:[^\\=!]|\\.|!(?!=))*?)(==|!=|=)(.*)$/s.exec(term);
      if (!match) throw badRequest(`invalid selector: '${text}'; can't understand '${term}'`);
      const [, field = "", operator, value = ""] = match;
      return { field, equal: operator !== "!=", value: unescaped(value) };
    });
}

/**
 * The value that a selector wants that field to have; undefined when it leaves it open or makes no sense. Authorisation asks this way:
 * what looks like a term but lies in another's value counts for nothing.
 */
export function requiredValue(selector: string | undefined, field: string): string | undefined {
  if (!selector?.includes(field)) return undefined;
  try {
    return parseFieldSelector(selector).find((term) => term.equal && term.field === field)?.value;
  } catch {
    return undefined;
  }
}

/**
 * A test for objects of one kind. metadata.name and metadata.namespace are always known, the kind's own fields come by `getters`.
 * Throws 400 for a field that the kind does not have.
 */
export function compileFieldSelector(
  requirements: readonly FieldRequirement[],
  getters: FieldGetters | undefined,
): (object: KubeObject) => boolean {
  const tests = requirements.map(({ field, equal, value }) => {
    const get = getterOf(field, getters);
    return equal ? (object: KubeObject) => get(object) === value : (object: KubeObject) => get(object) !== value;
  });
  const [only] = tests;
  if (!only) return () => true;
  return tests.length === 1 ? only : (object) => tests.every((test) => test(object));
}

const metadataGetters: FieldGetters = {
  "metadata.name": (object) => object.metadata.name ?? "",
  "metadata.namespace": (object) => object.metadata.namespace ?? "",
};

function getterOf(field: string, getters: FieldGetters | undefined): (object: KubeObject) => string {
  const get = ownMember(metadataGetters, field) ?? ownMember(getters, field);
  if (get) return get;
  if (getters) throw badRequest(`field label not supported: ${field}`);
  throw badRequest(`"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`);
}

function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === ",") {
      terms.push(text.slice(start, i));
      start = i + 1;
    }
  }
  terms.push(text.slice(start));
  return terms;
}

function unescaped(value: string): string {
  if (!/[\\,=]/.test(value)) return value;
  let out = "";
  for (let i = 0; i < value.length; i++) {
    const c = value.charAt(i);
    if (c === "\\") {
      const next = value.charAt(++i);
      if (next !== "\\" && next !== "," && next !== "=") throw badRequest(`invalid field selector: invalid escape sequence: \\${next}`);
      out += next;
    } else if (c === "," || c === "=") throw badRequest(`invalid field selector: invalid unescaped character '${c}' in value: ${value}`);
    else out += c;
  }
  return out;
}
