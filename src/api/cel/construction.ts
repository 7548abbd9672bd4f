import type { Issue } from "./compile-errors.ts";
import { undeclared } from "./compile-errors.ts";

/** An expression in the part of CEL that the library reads. */
export interface Rewritten {
  text: string;
  /** The place in the original that a place in the text comes from. */
  original(at: number): number;
  issues: Issue[];
}

interface Piece {
  text: string;
  at: number;
}

/** A bracket that is open: what it is, and what closes it and the entry in it that is being read. */
interface Group {
  kind: "message" | "entries" | "other";
  open: Piece;
  closing: string;
  entryClosing: string;
  /** Of what a message makes. */
  name?: string;
}

const pattern =
  /\/\/[^\n]*|[rRbB]{0,2}(?:"""(?:\\.|[^\\])*?"""|'''(?:\\.|[^\\])*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|[A-Za-z_]\w*|\d[\w.]*|\s+|./gs;
const typeName = /^(?:Object(?:\.\w+)*|JSONPatch)$/;

/**
 * Turns what the library cannot read into calls of functions: objects that are made (Object.spec{replicas: 1}, JSONPatch{...}), and
 * optional entries ([?x], {?"k": x}).
 */
export function rewriteConstructions(source: string, patchTypes: boolean): Rewritten {
  if (!/[\w.]\s*\{|[[{,]\s*\?/.test(source)) return { text: source, original: (at) => at, issues: [] };
  const pieces: Piece[] = [];
  const issues: Issue[] = [];
  const groups: Group[] = [];
  let before: Piece | undefined; // The last piece that is not space.
  for (const { 0: token, index: at } of source.matchAll(pattern)) {
    const piece = { text: token, at };
    pieces.push(piece);
    if (/^(?:\s|\/\/)/.test(token)) continue;
    const group = groups.at(-1);
    if ("([{".includes(token)) {
      const next = opened(piece, before, pieces, source);
      groups.push(next);
      if (next.name !== undefined && !(patchTypes && typeName.test(next.name))) issues.push(undeclared(at, next.name));
    } else if (")]}".includes(token)) {
      const closed = groups.pop();
      if (closed) piece.text = closed.entryClosing + token + closed.closing;
    } else if (group && group.kind !== "other") {
      const begins = before === group.open || before?.text.endsWith(",") === true;
      if (token === ",") {
        piece.text = `${group.entryClosing},`;
        group.entryClosing = "";
      } else if (token === "?" && begins) {
        makeOptional(group);
        const element = group.open.text.endsWith("[");
        piece.text = element ? "optionalEntry(" : "";
        group.entryClosing = element ? ")" : "?";
        continue;
      } else if (token === ":" && group.open.text.endsWith("{") && (group.kind === "message" || group.entryClosing === "?")) {
        piece.text = group.entryClosing === "?" ? ":optionalEntry(" : ":dyn(";
        group.entryClosing = ")";
        if (group.kind === "message" && before && /^\w+$/.test(before.text)) before.text = `"${before.text}"`;
      }
    }
    before = piece;
  }
  return { text: pieces.map(({ text }) => text).join(""), original: (at) => originalPlace(pieces, at), issues };
}

function opened(piece: Piece, before: Piece | undefined, pieces: Piece[], source: string): Group {
  const group: Group = { kind: "entries", open: piece, closing: "", entryClosing: "" };
  const follows = before !== undefined && before.text !== "in" && /[\w)\]}"']$/.test(before.text);
  if (piece.text === "(" || (piece.text === "[" && follows)) return { ...group, kind: "other" };
  if (piece.text === "[" || !follows) return group;
  const path = /(?:\w+\s*\.\s*)*\w+\s*$/.exec(source.slice(0, piece.at));
  if (!path) return group;
  const name = path[0].replaceAll(/\s/g, "");
  for (const part of pieces) if (part.at >= path.index && part !== piece) part.text = "";
  const maker = name === "Object" ? "makeObject(" : name === "JSONPatch" ? "makeJSONPatch(" : `makeField("${name}", `;
  piece.text = `${maker}{`;
  return { ...group, kind: "message", closing: ")", name };
}

/** A list or map with optional entries goes through a function that drops those that are not there. */
function makeOptional(group: Group): void {
  if (group.open.text.startsWith("present")) return;
  if (group.kind === "message") group.open.text = `${group.open.text.slice(0, -1)}presentEntries({`;
  else group.open.text = `${group.open.text === "[" ? "presentElements" : "presentEntries"}(${group.open.text}`;
  group.closing += ")";
}

function originalPlace(pieces: readonly Piece[], at: number): number {
  let start = 0;
  for (const { text, at: original } of pieces) {
    start += text.length;
    if (at < start) return original;
  }
  return (pieces.at(-1)?.at ?? 0) + 1;
}
