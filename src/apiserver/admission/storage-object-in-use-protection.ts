import type { AdmissionPlugin } from "./admission.ts";
import { isFor } from "./request.ts";

const finalizers: Readonly<Record<string, string>> = {
  persistentvolumeclaims: "kubernetes.io/pvc-protection",
  persistentvolumes: "kubernetes.io/pv-protection",
  "volumeattributesclasses.storage.k8s.io": "kubernetes.io/vac-protection",
};

/** Claims and volumes stay until nobody uses them: controllers take these finalizers away. */
export const storageObjectInUseProtection: AdmissionPlugin = {
  name: "StorageObjectInUseProtection",
  resources: Object.keys(finalizers),
  admit(request) {
    if (request.operation !== "CREATE" || !request.object) return;
    for (const [resource, finalizer] of Object.entries(finalizers)) {
      if (!isFor(request, resource)) continue;
      const present = (request.object.metadata.finalizers ??= []);
      if (!present.includes(finalizer)) present.push(finalizer);
    }
  },
};
