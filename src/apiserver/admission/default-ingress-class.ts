import type { Ingress } from "../../api/types/networking.v1.ts";
import { IngressClasses } from "../../api/types/resources.ts";
import type { Objects } from "../objects.ts";
import type { AdmissionPlugin } from "./admission.ts";
import { newestDefault } from "./default-class.ts";
import { isFor } from "./request.ts";

/** An Ingress that names no class gets the default one. */
export function defaultIngressClass(objects: Objects): AdmissionPlugin {
  return {
    name: "DefaultIngressClass",
    resources: ["ingresses.networking.k8s.io"],
    admit(request) {
      if (request.operation !== "CREATE" || !isFor(request, "ingresses.networking.k8s.io")) return;
      const ingress = request.object as Ingress; // The resource says so.
      if (ingress.spec?.ingressClassName !== undefined) return;
      if (ingress.metadata.annotations?.["kubernetes.io/ingress.class"] !== undefined) return;
      const found = newestDefault(objects.list(IngressClasses), ["ingressclass.kubernetes.io/is-default-class"]);
      if (found) (ingress.spec ??= {}).ingressClassName = found.metadata.name;
    },
  };
}
