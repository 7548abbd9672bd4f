import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { encodeEvent, encodeProtobuf } from "../../../../src/api/codec/protobuf.ts";
import { decodeMessage, openEnvelope } from "../../../../src/api/schema/protobuf.ts";
import { readEvent } from "./watch-frames.ts";
import { typeOfKind } from "../../../../src/api/schema/struct.ts";
import { WireReader } from "../../../../src/api/schema/wire.ts";

interface Answer {
  path: string;
  as?: string;
  json: { kind: string; metadata: { resourceVersion?: string } };
  protobuf: string;
}

/** What upstream's server answered to the same requests for JSON and for protobuf. Between the two the cluster's newest revision moved on. */
const answers: Answer[] = readFileSync(new URL("reference-protobuf.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line));

test.each(answers)("$path $json.kind is byte for byte what upstream sends", ({ json, protobuf }) => {
  const theirs = Buffer.from(protobuf, "base64");
  if (json.metadata.resourceVersion === "RV") {
    const { apiVersion, kind, raw } = openEnvelope(theirs);
    const { metadata } = decodeMessage(typeOfKind(apiVersion, kind) ?? "", new WireReader(raw));
    json.metadata = { ...(metadata as object) }; // A list's metadata is an object.
  }
  expect(encodeProtobuf(json).toString("latin1")).toBe(theirs.toString("latin1"));
});

const event = readFileSync(new URL("reference-watch-event.txt", import.meta.url), "utf8").trim();

test("a watch event is framed as upstream frames it", () => {
  const theirs = Buffer.from(event, "base64");
  const { type, object } = readEvent(theirs);
  expect(type).toBe("ADDED");
  const { apiVersion, kind, raw } = openEnvelope(object);
  const namespace = decodeMessage("core.v1.Namespace", new WireReader(raw));
  expect(encodeEvent(type, { apiVersion, kind, ...namespace }).toString("latin1")).toBe(theirs.toString("latin1"));
});
