import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import discovery from "../../../../src/api/schema/discovery.json" with { type: "json" };
import { generate } from "../../../../src/api/schema/generate.ts";
import types from "../../../../src/api/schema/types.json" with { type: "json" };

const folder = new URL("../../../../src/api/types/", import.meta.url);

test("the TypeScript types are what the facts give (else: npm run generate)", () => {
  const files = generate(types, discovery);
  expect(readdirSync(folder).sort()).toEqual([...files.keys()].sort());
  for (const [name, text] of files) expect(readFileSync(new URL(name, folder), "utf8"), name).toBe(text);
});
