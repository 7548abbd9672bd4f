/** Every kind against what a Kubernetes v1.36 API server answered: test/unit/api/reference holds one recorded case a line. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  validateEphemeralContainersUpdate,
  validateResize,
  withEphemeralContainers,
  withResize,
} from "../../../src/api/core/pod-update.ts";
import type { FieldError } from "../../../src/api/errors.ts";
import type { KindRules } from "../../../src/api/kind.ts";
import { rulesOf } from "../../../src/api/kinds.ts";
import { validateMetadata } from "../../../src/api/meta/metadata.ts";
import type { KubeObject } from "../../../src/api/meta/object.ts";
import { findResource, type ResourceInfo } from "../../../src/api/resource.ts";
import { defaulterOf, type Stage } from "../../../src/api/schema/defaults.ts";
import type { Pod } from "../../../src/api/types/core.v1.ts";

function cases<T extends unknown[]>(name: string): T[] {
  const text = readFileSync(new URL(`reference/${name}.jsonl`, import.meta.url), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as T);
}

interface Kind {
  info: ResourceInfo;
  rules: KindRules;
}

function kindOf(groupVersion: string, plural: string): Kind {
  const info = findResource(groupVersion, plural);
  if (!info) throw new Error(`no ${plural}`);
  return { info, rules: rulesOf(info) };
}

function fill({ info, rules }: Kind, object: KubeObject, stage: Stage): void {
  if (info.type) defaulterOf(info.type)?.(object, stage);
  rules.default?.(object);
}

/** The object as the API server has it just before it is stored. */
function created(kind: Kind, sent: object, uid: string): KubeObject {
  const { groupVersion, namespaced, kind: name } = kind.info;
  const object: KubeObject = { metadata: {}, ...structuredClone(sent), apiVersion: groupVersion, kind: name };
  if (namespaced) object.metadata.namespace ??= "default";
  fill(kind, object, "sent");
  Object.assign(object.metadata, { uid, generation: 1 });
  kind.rules.prepareForCreate?.(object);
  fill(kind, object, "stored");
  return object;
}

function texts(errors: readonly FieldError[]): string[] {
  // Of a message with a diff, what counts is the sentence; upstream finds some faults twice.
  return distinct(errors.map((error) => `${error.field}: ${error.message.split("\n")[0]}`));
}

function distinct(list: readonly string[]): string[] {
  return [...new Set(list)].sort();
}

function validateUpdate({ rules }: Kind, sub: string, object: KubeObject, old: KubeObject): FieldError[] {
  if (sub === "status") return rules.validateStatusUpdate?.(object, old) ?? [];
  if (sub === "resize") {
    const pod = { ...withResize(object as Pod, old as Pod), metadata: (object as Pod).metadata };
    return [...(rules.validate?.(pod) ?? []), ...validateResize(pod, old as Pod)];
  }
  if (sub === "ephemeralcontainers") {
    const pod = { ...withEphemeralContainers(object as Pod, old as Pod), metadata: (object as Pod).metadata };
    return [...(rules.validate?.(pod) ?? []), ...validateEphemeralContainersUpdate(pod, old as Pod)];
  }
  if ("status" in old) Object.assign(object, { status: old.status });
  rules.prepareForUpdate?.(object, old);
  return [...(rules.validate?.(object) ?? []), ...(rules.validateUpdate?.(object, old) ?? [])];
}

describe("a new object", () => {
  it.each(cases<[string, string, object, { metadata: object }]>("defaults"))("of %s %s is filled in: %j", (gv, plural, sent, stored) => {
    const kind = kindOf(gv, plural);
    const object = created(kind, sent, "UID");
    expect(validateMetadata(object.metadata, kind.info)).toEqual([]);
    expect(kind.rules.validate?.(object) ?? []).toEqual([]);
    const { uid: _u, generation: _g, ...metadata } = object.metadata;
    const { status: _s, ...rest } = { status: undefined, ...object, metadata };
    expect(JSON.parse(JSON.stringify(rest))).toEqual(stored);
  });

  it.each(cases<[string, string, object, string[], string | null]>("refusals"))(
    "of %s %s is refused: %j",
    (gv, plural, sent, causes, uid) => {
      const kind = kindOf(gv, plural);
      const object = created(kind, sent, uid ?? "u");
      const errors = [...validateMetadata(object.metadata, kind.info), ...(kind.rules.validate?.(object) ?? [])];
      expect(texts(errors)).toEqual(distinct(causes));
    },
  );
});

describe("a changed object", () => {
  it.each(cases<[string, string, string, KubeObject, KubeObject, string[]]>("updates"))(
    "of %s %s (subresource %j)",
    (gv, plural, sub, old, sent, causes) => {
      const kind = kindOf(gv, plural);
      const object = JSON.parse(JSON.stringify(sent, (_, value) => value ?? undefined)) as KubeObject;
      fill(kind, object, "stored");
      object.metadata.generation = 2;
      expect(texts(validateUpdate(kind, sub, object, old))).toEqual(distinct(causes));
    },
  );
});

describe("a row of a table", () => {
  it.each(cases<[string, string, KubeObject, unknown[]]>("rows"))("of %s %s", (gv, plural, object, cells) => {
    const shown = kindOf(gv, plural).rules.cells?.(object, Date.parse("2026-11-21T09:00:00Z"));
    const ages = (cell: unknown): unknown => (typeof cell === "string" ? cell.replace(/\b\d+[dhms](\d+[dhms])?\b/g, "AGE") : cell);
    expect(shown?.map(ages)).toEqual(cells);
  });
});
