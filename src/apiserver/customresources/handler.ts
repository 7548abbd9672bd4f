import { deepEqual } from "../../api/meta/equality.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import type { ResourceInfo } from "../../api/resource.ts";
import type { ResourceFacts } from "../../api/schema/facts.ts";
import { compileStructural, defaultsOf } from "../../api/schema/structural.ts";
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionVersion,
  CustomResourceSubresourceScale,
} from "../../api/types/apiextensions.v1.ts";
import { forbidden } from "../../api/errors.ts";
import type { StoredObject } from "../../store/store.ts";
import { copyOf, untyped } from "../plain-data.ts";
import { compareVersions } from "../registry.ts";
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
      allocate(object, old) {
        const why = "create not allowed while custom resource definition is terminating";
        if (!old && terminating()) throw forbidden({ group, kind: plural, name: object.metadata.name ?? "" }, why);
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
    deprecation: deprecationOf(definition, version),
    ...viewer(schema, { shown: groupVersion, stored }, defaulter(definition), convert),
    toStorage(object) {
      object.apiVersion = stored;
      return object;
    },
  };
  if (version.subresources?.status) subresources.set("status", statusSubresource(handler, "as-before"));
  if (version.subresources?.scale) {
    const scale = scaleSubresource(customScale(version.subresources.scale));
    subresources.set("scale", { ...scale, validate: (object, old) => schema.validate?.(object, old) ?? [] });
  }
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

/** Stored objects with the defaults of the version that they are stored in, also those that came after them. */
function defaulter({ spec }: CustomResourceDefinition): (stored: StoredObject) => Readonly<KubeObject> {
  const fillers = new Map(spec.versions.map(({ name, schema }) => [`${spec.group}/${name}`, defaultsOf(schema?.openAPIV3Schema)]));
  return ({ object }) => {
    const fill = fillers.get(object.apiVersion ?? "");
    if (!fill) return object;
    const copy = copyOf<KubeObject>(object);
    fill(copy);
    return copy;
  };
}

/** Objects as this version shows them: its apiVersion and its schema's fields. */
function viewer(
  schema: ObjectSchema,
  { shown: apiVersion, stored: storedVersion }: { shown: string; stored: string },
  defaulted: (stored: StoredObject) => Readonly<KubeObject>,
  convert: Convert | undefined,
): Pick<ResourceHandler, "view" | "conversion"> {
  const views = new WeakMap<StoredObject, View>();
  const show = (stored: StoredObject, from: Readonly<KubeObject> = defaulted(stored)): View => {
    const shown = untyped(schema.prune(from).value);
    shown.apiVersion = apiVersion;
    const view = deepEqual(shown, stored.object) ? stored : viewOf(shown, stored.managed);
    views.set(stored, view);
    return view;
  };
  const view = (stored: StoredObject): View => views.get(stored) ?? show(stored);
  if (!convert) return { view };
  const convertOne = async (object: Readonly<KubeObject>, to: string): Promise<KubeObject> =>
    (await convert([object], to))[0] ?? copyOf<KubeObject>(object);
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
            const objects = await convert(fresh.map(defaulted), apiVersion);
            for (const [i, one] of fresh.entries()) show(one, objects[i]);
          } finally {
            for (const one of fresh) pending.delete(one);
          }
        })();
        for (const one of fresh) pending.set(one, converting);
        return Promise.all(others.map((one) => pending.get(one))).then(() => {});
      },
      toStorage: async (object) => (apiVersion === storedVersion ? object : convertOne(object, storedVersion)),
      convert: convertOne,
    },
  };
}

/** What every client of a deprecated version is told. */
function deprecationOf({ spec }: CustomResourceDefinition, version: CustomResourceDefinitionVersion): string | undefined {
  if (!version.deprecated) return undefined;
  if (version.deprecationWarning) return version.deprecationWarning;
  const named = (name: string): string => `${spec.group}/${name} ${spec.names.kind}`;
  const [newest] = spec.versions
    .filter(({ served, deprecated, name }) => served && !deprecated && compareVersions(name, version.name) < 0)
    .map(({ name }) => name)
    .sort(compareVersions);
  return `${named(version.name)} is deprecated${newest ? `; use ${named(newest)}` : ""}`;
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
