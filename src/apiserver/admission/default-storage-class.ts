import type { PersistentVolumeClaim } from "../../api/types/core.v1.ts";
import { StorageClasses } from "../../api/types/resources.ts";
import type { Objects } from "../objects.ts";
import type { AdmissionPlugin } from "./admission.ts";
import { newestDefault } from "./default-class.ts";
import { isFor } from "./request.ts";

/** A claim that names no storage class gets the default one. The empty name asks for none, and stays. */
export function defaultStorageClass(objects: Objects): AdmissionPlugin {
  return {
    name: "DefaultStorageClass",
    resources: ["persistentvolumeclaims"],
    admit(request) {
      if (request.operation !== "CREATE" || !isFor(request, "persistentvolumeclaims")) return;
      const claim = request.object as PersistentVolumeClaim; // The resource says so.
      if (claim.spec.storageClassName !== undefined) return;
      if (claim.metadata.annotations?.["volume.beta.kubernetes.io/storage-class"] !== undefined) return;
      const found = newestDefault(objects.list(StorageClasses), [
        "storageclass.kubernetes.io/is-default-class",
        "storageclass.beta.kubernetes.io/is-default-class",
      ]);
      if (found) claim.spec.storageClassName = found.metadata.name;
    },
  };
}
