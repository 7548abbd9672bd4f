import type { Descriptions } from "./descriptions.ts";
import { definitionName } from "./openapi-schemas.ts";
import { structFields } from "./struct.ts";

const comment = /\/\*\*\s*\n\s*\* (.*)\n\s*\*\/\s*\n\s*(?:export declare class|'([^']+)'\??:)/g;

/**
 * The texts of `kubectl explain` for the types of the facts, from the declarations of the JavaScript client's models ("V1Container",
 * "CoreV1Event"), which carry upstream's descriptions as comments. Fields that are a struct of their own have none there.
 */
export function extractDescriptions(types: Iterable<string>, modelText: (model: string) => string | undefined): Descriptions {
  const found: Descriptions = {};
  for (const type of types) {
    const [group = "", version = "", name = ""] = type.split(".");
    const model = capital(version) + name;
    const text = modelText(capital(group) + model) ?? modelText(model);
    if (text === undefined) continue;
    const comments = new Map([...text.matchAll(comment)].map(([, words = "", field = ""]) => [field, plain(words)]));
    // The client's members have an underscore where JavaScript does not allow the field's name.
    const textOf = (field: string) => comments.get(field) ?? comments.get(`_${field}`) ?? comments.get(field.replace(/[-$]/g, "_"));
    const own: Record<string, string> = (found[type] = {});
    const tell = (of: Record<string, string>, field: string, words: string | undefined): void => {
      if (words) of[field] = words;
    };
    tell(own, "", comments.get(""));
    for (const { name, facts } of structFields(type)) {
      const words = textOf(name);
      // At some fields stands what is said of their type: "IntOrString is a type that can hold ...".
      const typeName = definitionName(facts.type).split(".").at(-1);
      const isOfType = ["is a", "is version", "represents"].some((verb) => words?.startsWith(`${typeName} ${verb} `));
      if (isOfType) tell((found[facts.type] ??= {}), "", words);
      else tell(own, name, words);
    }
  }
  return found;
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** Undoes what the generator of the client did to put a text into a comment. */
function plain(text: string): string {
  return text.replaceAll("*_/", "*/").replaceAll("/_*", "/*").replace(/\\(.)/g, "$1").trim();
}
