import { badRequest, notFound, type StatusError } from "../../../api/errors.ts";
import type { Pod } from "../../../api/types/core.v1.ts";
import { Namespaces } from "../../../api/types/resources.ts";
import { map, object, parseShape, text } from "../../configuration/shape.ts";
import type { Objects } from "../../objects.ts";
import type { AdmissionPlugin, AdmissionRequest } from "../admission.ts";
import { createdPod, refuse } from "../request.ts";

type Labels = Readonly<Record<string, string>>;

const shape = object({ podNodeSelectorPluginConfig: map(text) });
const annotation = "scheduler.alpha.kubernetes.io/node-selector";

/**
 * The pods of a namespace run only on the nodes that its annotation names, or else the configuration's clusterDefaultNodeSelector; and
 * select them only by the labels that the configuration allows the namespace. Throws for a configuration that makes no sense.
 */
export function podNodeSelector(objects: Objects, configuration: unknown): AdmissionPlugin {
  const { podNodeSelectorPluginConfig: given = {} } = parseShape(shape, configuration ?? {});
  const configured = new Map(Object.entries(given).map(([namespace, selector]) => [namespace, labelsOf(selector)]));
  const selectorFor = (request: AdmissionRequest, pod: Pod): Labels => {
    const namespace = objects.get(Namespaces, undefined, request.namespace);
    if (!namespace) throw notFound({ kind: "namespaces", name: request.namespace });
    const own = namespace.metadata.annotations?.[annotation];
    const selector = own === undefined ? (configured.get("clusterDefaultNodeSelector") ?? {}) : labelsOf(own);
    for (const [key, value] of Object.entries(pod.spec.nodeSelector ?? {}))
      if ((selector[key] ?? value) !== value)
        throw refuse(request, "pod node label selector conflicts with its namespace node label selector");
    return selector;
  };
  return {
    name: "PodNodeSelector",
    resources: ["pods"],
    admit(request) {
      const pod = createdPod(request);
      if (!pod) return;
      const selector = { ...selectorFor(request, pod), ...pod.spec.nodeSelector };
      if (Object.keys(selector).length > 0) pod.spec.nodeSelector = selector;
    },
    validate(request) {
      const pod = createdPod(request);
      if (!pod) return;
      selectorFor(request, pod);
      const allowed = Object.entries(configured.get(request.namespace) ?? {});
      const isAllowed = ([key, value]: [string, string]): boolean => allowed.some(([k, v]) => k === key && v === value);
      if (allowed.length > 0 && !Object.entries(pod.spec.nodeSelector ?? {}).every(isAllowed))
        throw refuse(request, "pod node label selector labels conflict with its namespace whitelist");
    },
  };
}

/** "a=b,c=d" */
function labelsOf(selector: string): Labels {
  const terms = selector.split(",").filter((term) => term.trim() !== "");
  return Object.fromEntries(
    terms.map((term) => {
      const [key = "", value, ...rest] = term.split("=").map((part) => part.trim());
      if (!key || value === undefined || rest.length > 0) throw invalidSelector(selector);
      return [key, value];
    }),
  );
}

function invalidSelector(selector: string): StatusError {
  return badRequest(`invalid selector: ${JSON.stringify(selector)} must be KEY=VALUE,...`);
}
