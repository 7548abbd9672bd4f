import { deepEqual } from "../../api/meta/equality.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import type { ResourceInfo } from "../../api/resource.ts";
import type { ResourceFacts } from "../../api/schema/facts.ts";
import { compileStructural } from "../../api/schema/structural.ts";
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionVersion,
  CustomResourceSubresourceScale,
} from "../../api/types/apiextensions.v1.ts";
import { methodNotAllowed } from "../../api/errors.ts";
import type { StoredObject } from "../../store/store.ts";
import { copyOf, untyped } from "../plain-data.ts";
import { type ObjectSchema, type ResourceHandler, type Subresource, type View, viewOf } from "../resource-handler.ts";
import { customResourcePolicy } from "../resource-policy.ts";
import { type ScaleAccess, scaleSubresource } from "../subresources/scale.ts";
import { statusSubresource } from "../subresources/status.ts";
import { customColumns } from "./columns.ts";
import type { Convert } from "./conversion.ts";
import { compileJsonPath, plainFields } from "./json-path.ts";

const verbs = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
const subresourceVerbs = ["get", "patch", "update"];

/** The handler of one served version of a custom resource. `terminating` says whether the definition is being deleted. */
export function customHandler(
  definition: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
  terminating: () => boolean,
  convert?: Convert,
): ResourceHandler {
  const info = infoOf(definition, version);
  const { group, plural, kind, groupVersion } = info;
  const schema: ObjectSchema = compileStructural(version.schema?.openAPIV3Schema, kind, version.name);
  const stored = `${group}/${definition.spec.versions.find(({ storage }) => storage)?.name ?? version.name}`;
  const { columns, cells } = customColumns(version);
  const subresources = new Map<string, Subresource>();
  const handler: ResourceHandler = {
    info,
    storage: `${group}/${plural}`,
    listKind: definition.status.acceptedNames?.listKind ?? `${kind}List`,
    rules: { cells },
    schema,
    policy: customResourcePolicy,
    hooks: {
      allocate(_object, old) {
        if (!old && terminating()) throw methodNotAllowed("create not allowed while custom resource definition is terminating");
        return undefined;
      },
    },
    target: { group, kind: plural },
    kindTarget: { group, kind },
    columns,
    fields: selectable(version),
    hasStatus: !!version.subresources?.status,
    clearsStatus: !!version.subresources?.status,
    subresources,
    ...viewer(schema, { shown: groupVersion, stored }, convert),
    toStorage(object) {
      object.apiVersion = stored;
      return object;
    },
  };
  if (version.subresources?.status) subresources.set("status", statusSubresource(handler, "as-before"));
  if (version.subresources?.scale) subresources.set("scale", scaleSubresource(customScale(version.subresources.scale)));
  return handler;
}

function infoOf({ spec, status }: CustomResourceDefinition, version: CustomResourceDefinitionVersion): ResourceInfo {
  const names = status.acceptedNames ?? spec.names;
  const namespaced = spec.scope === "Namespaced";
  const subresources: Record<string, ResourceFacts> = {};
  const plain = { singularName: "", namespaced, verbs: subresourceVerbs };
  if (version.subresources?.status) subresources["status"] = { ...plain, kind: names.kind };
  if (version.subresources?.scale) subresources["scale"] = { ...plain, kind: "Scale", group: "autoscaling", version: "v1" };
  return {
    group: spec.group,
    version: version.name,
    groupVersion: `${spec.group}/${version.name}`,
    plural: names.plural,
    singular: names.singular ?? "",
    kind: names.kind,
    namespaced,
    verbs,
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    type: undefined,
    subresources,
  };
}

/** Objects as this version shows them: its apiVersion, its schema's fields and defaults, also for what was stored before them. */
function viewer(
  schema: ObjectSchema,
  { shown: apiVersion, stored: storedVersion }: { shown: string; stored: string },
  convert: Convert | undefined,
): Pick<ResourceHandler, "view" | "conversion"> {
  const views = new WeakMap<StoredObject, View>();
  const show = (stored: StoredObject, from: Readonly<KubeObject> = stored.object): View => {
    const object = untyped(schema.prune(from).value);
    object.apiVersion = apiVersion;
    // What pruning shares with the stored object must not change with the defaults.
    const shown = copyOf<KubeObject>(object);
    schema.applyDefaults(shown);
    const view = deepEqual(shown, stored.object) ? stored : viewOf(shown, stored.managed);
    views.set(stored, view);
    return view;
  };
  const view = (stored: StoredObject): View => views.get(stored) ?? show(stored);
  if (!convert) return { view };
  const pending = new WeakMap<StoredObject, Promise<void>>();
  return {
    view,
    conversion: {
      prepare(stored) {
        const others = stored.filter((one) => one.object.apiVersion !== apiVersion && !views.has(one));
        if (others.length === 0) return undefined;
        const fresh = others.filter((one) => !pending.has(one));
        const converting = (async (): Promise<void> => {
          try {
            const objects = await convert(
              fresh.map(({ object }) => object),
              apiVersion,
            );
            for (const [i, one] of fresh.entries()) show(one, objects[i]);
          } finally {
            for (const one of fresh) pending.delete(one);
          }
        })();
        for (const one of fresh) pending.set(one, converting);
        return Promise.all(others.map((one) => pending.get(one))).then(() => {});
      },
      toStorage: async (object) => (apiVersion === storedVersion ? object : ((await convert([object], storedVersion))[0] ?? object)),
    },
  };
}

function selectable({ selectableFields = [] }: CustomResourceDefinitionVersion): ResourceHandler["fields"] {
  const fields = selectableFields.map(({ jsonPath }) => {
    const find = compileJsonPath(jsonPath);
    const get = (object: KubeObject): string => {
      const [value] = find(object);
      return value === undefined || value === null ? "" : String(value);
    };
    return [jsonPath.replace(/^\./, ""), get] as const;
  });
  return Object.fromEntries(fields);
}

function customScale({ specReplicasPath, statusReplicasPath, labelSelectorPath }: CustomResourceSubresourceScale): ScaleAccess {
  const number = (path: string): ((object: Readonly<KubeObject>) => number | undefined) => {
    const find = compileJsonPath(path);
    return (object) => {
      const [value] = find(object);
      return typeof value === "number" ? value : undefined;
    };
  };
  const selector = labelSelectorPath ? compileJsonPath(labelSelectorPath) : undefined;
  return {
    getReplicas: number(specReplicasPath),
    setReplicas: (object, replicas) => setAt(object, plainFields(specReplicasPath) ?? [], replicas),
    statusReplicas: number(statusReplicasPath),
    selector(object) {
      const [value] = selector?.(object) ?? [];
      return typeof value === "string" ? value : undefined;
    },
  };
}

function setAt(object: object, names: readonly string[], value: unknown): void {
  const [name, ...rest] = names;
  if (name === undefined) return;
  if (rest.length === 0) {
    Reflect.set(object, name, value);
    return;
  }
  let next: unknown = Reflect.get(object, name);
  if (typeof next !== "object" || next === null) Reflect.set(object, name, (next = {}));
  setAt(Object(next), rest, value);
}
