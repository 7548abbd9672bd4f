import type { KubeObject } from "../../api/meta/object.ts";
import { copyOf } from "../plain-data.ts";
import type { ObjectSubresource, ResourceHandler } from "../resource-handler.ts";

/** What a status update leaves of the metadata sent: kinds differ. */
type MetadataRule = "as-sent" | "as-before" | "without-labels" | "without-owners";

const metadataRules: Record<string, MetadataRule> = {
  "apps/deployments": "without-labels",
  "/pods": "without-owners",
  "apiextensions.k8s.io/customresourcedefinitions": "as-before",
  "apiregistration.k8s.io/apiservices": "as-before",
  "flowcontrol.apiserver.k8s.io/flowschemas": "as-before",
  "flowcontrol.apiserver.k8s.io/prioritylevelconfigurations": "as-before",
};

/** Whose status is written several times for each object. */
const oftenWritten: ReadonlySet<string> = new Set(["/pods"]);

/** NAME/status: replaces the status, and of the metadata what the kind lets through. Spec and the like stay as they were. */
export function statusSubresource(handler: ResourceHandler, rule?: MetadataRule): ObjectSubresource {
  const { info, schema, rules } = handler;
  const writes = oftenWritten.has(`${info.group}/${info.plural}`) ? ["metadata", "status"] : undefined;
  const metadataRule = rule ?? metadataRules[`${info.group}/${info.plural}`] ?? "as-sent";
  return {
    shape: "object",
    schema,
    type: info.type,
    apiVersion: info.groupVersion,
    kind: info.kind,
    verbs: ["get", "patch", "update"],
    show: (object) => object,
    writes,
    merge(old, sent) {
      const object = writes ? { ...old } : copyOf<KubeObject>(old);
      if (writes) schema.applyDefaults(sent);
      object.metadata = mergedMetadata(metadataRule, object, sent);
      const status = Reflect.get(sent, "status");
      if (status === undefined) Reflect.deleteProperty(object, "status");
      else Reflect.set(object, "status", status);
      return object;
    },
    validate: (object, old) => [...(schema.validate?.(object, old) ?? []), ...(rules.validateStatusUpdate?.(object, old) ?? [])],
  };
}

function mergedMetadata(rule: MetadataRule, old: KubeObject, sent: KubeObject): KubeObject["metadata"] {
  if (rule === "as-before") return old.metadata;
  const metadata = { ...sent.metadata };
  if (rule === "without-labels") metadata.labels = old.metadata.labels;
  if (rule === "without-owners") metadata.ownerReferences = old.metadata.ownerReferences;
  return metadata;
}
