import { expect, test } from "vitest";
import { extractDescriptions } from "../../../../src/api/schema/extract-descriptions.ts";
import { SchemaWriter } from "../../../../src/api/schema/openapi-schemas.ts";

const preamble = "/**\n * Kubernetes\n *\n * OpenAPI spec version: release-1.36\n */\nimport { HttpFile } from '../http/http.js';\n";

function model(name: string, words: string, members: Record<string, string>): string {
  const lines = Object.entries(members).map(
    ([member, text]) => `    /**\n    * ${text}\n    */\n    '${member}'?: string;\n    'plain'?: V1Other;\n`,
  );
  return `${preamble}/**\n* ${words}\n*/\nexport declare class ${name} {\n${lines.join("")}}\n`;
}

const models: Record<string, string | undefined> = {
  V1Container: model("V1Container", "A container.", { image: 'Container image\\\'s name, as in \\"*_/app\\".', lifecycle: "" }),
  V1ListMeta: model("V1ListMeta", "Of lists.", { _continue: "Where to go on." }),
  CoreV1Event: model("CoreV1Event", "Core's.", { message: "What has happened." }),
  EventsV1Event: model("EventsV1Event", "Events'.", { note: "What has happened." }),
};
const texts = extractDescriptions(
  ["core.v1.Container", "meta.v1.ListMeta", "core.v1.Event", "events.v1.Event", "core.v1.Pod"],
  (name) => models[name],
);

test("texts come from the comments of the model that stands for the type", () => {
  expect(texts).toEqual({
    "core.v1.Container": { "": "A container.", image: `Container image's name, as in "*/app".` },
    "meta.v1.ListMeta": { "": "Of lists.", continue: "Where to go on." },
    "core.v1.Event": { "": "Core's.", message: "What has happened." },
    "events.v1.Event": { "": "Events'.", note: "What has happened." },
  });
});

test("a schema tells them, and which values a field can have", () => {
  const writer = new SchemaWriter("v3", [], { ...texts, "core.v1.Container": { "": "A container.", imagePullPolicy: "When to pull." } });
  writer.ref("core.v1.Container");
  const { "io.k8s.api.core.v1.Container": container } = writer.definitions();
  expect(container).toMatchObject({
    description: "A container.",
    properties: {
      image: { type: "string" },
      imagePullPolicy: {
        description: 'When to pull.\n\nPossible enum values:\n - `"Always"`\n - `"IfNotPresent"`\n - `"Never"`',
      },
    },
  });
});
