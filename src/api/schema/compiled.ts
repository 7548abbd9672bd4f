import { badRequest, type StatusError } from "../errors.ts";
import { type Defaulter, defaulterOf, type Stage } from "./defaults.ts";
import { decodeMessage } from "./protobuf.ts";
import { DecodeError, type Pruner, prunerOf, pruneState } from "./prune.ts";
import { type JsonObject, typeFacts } from "./struct.ts";
import { WireError, WireReader } from "./wire.ts";

/** A type made ready for fast work on its objects. Built-in types come from the facts, custom resources from their schema. */
export interface CompiledType {
  /**
   * A copy of the value in the form that Kubernetes stores: only known fields, no nulls or zero values that Go leaves out, quantities
   * and times canonical. Free-form parts are shared with the value, which is not changed. `unknown` lists dropped fields as
   * strict errors name them ("spec.containers[0].bar"), in their order.
   * Throws badRequest `Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal ...` when a type does not fit.
   */
  prune(value: unknown): { value: JsonObject; unknown: string[] };
  /** As prune, for what a patch gave, `converts`: a strategic merge patch. Throws DecodeError with Go's own text. Built-in types have it. */
  patched?(value: unknown, converts: boolean): { value: JsonObject; unknown: string[] };
  /** Fills in the schema's defaults and what Kubernetes always writes (`status: {}`). Changes the pruned value in place. */
  applyDefaults(value: object, stage?: Stage): void;
  /** The object in a protobuf message, apiVersion and kind left out. Throws badRequest when it is none. */
  decodeProtobuf(bytes: Uint8Array): JsonObject;
}

const compiled = new Map<string, CompiledType>();

/** The compiled form of a type in types.json ("core.v1.Pod"); made at first use. Throws when there is no such type: a programmer's mistake. */
export function compileType(typeName: string): CompiledType {
  const known = compiled.get(typeName);
  if (known) return known;
  const made = compile(typeName);
  compiled.set(typeName, made);
  return made;
}

function compile(typeName: string): CompiledType {
  const [, version = "", kind = ""] = typeName.split(".");
  typeFacts(typeName);
  const prune = prunerOf(typeName);
  let fillIn: Defaulter | undefined | "not made yet" = "not made yet";
  const unfit = (why: string): StatusError => cannotBeHandled(kind, version, kind, why);
  return {
    prune(value) {
      try {
        return run(prune, value);
      } catch (error) {
        if (error instanceof DecodeError) throw unfit(error.message);
        throw error;
      }
    },
    applyDefaults(value, stage = "sent") {
      if (fillIn === "not made yet") fillIn = defaulterOf(typeName);
      fillIn?.(value, stage);
    },
    patched: (value, converts) => run(prune, value, converts),
    decodeProtobuf(bytes) {
      try {
        return decodeMessage(typeName, new WireReader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)));
      } catch (error) {
        if (error instanceof WireError || error instanceof SyntaxError) throw unfit(error.message);
        throw error;
      }
    },
  };
}

function run(prune: Pruner, value: unknown, converts = false): { value: JsonObject; unknown: string[] } {
  const state = pruneState(converts);
  return { value: prune(value, state) as JsonObject, unknown: state.unknown }; // a struct's pruner gives an object or throws
}

/** 400: `Deployment in version "v1" cannot be handled as a Deployment: ...`: what was sent, and what it should have been. */
export function cannotBeHandled(kind: string, version: string, wanted: string, why: string): StatusError {
  return badRequest(`${kind} in version "${version}" cannot be handled as a ${wanted}: ${why}`);
}
