import { compareQuantities } from "../../api/meta/quantity.ts";
import type { PersistentVolumeClaim } from "../../api/types/core.v1.ts";
import { StorageClasses } from "../../api/types/resources.ts";
import type { Objects } from "../objects.ts";
import type { AdmissionPlugin } from "./admission.ts";
import { isFor, refuse } from "./request.ts";

/** A claim grows only when its storage class allows it. */
export function persistentVolumeClaimResize(objects: Objects): AdmissionPlugin {
  return {
    name: "PersistentVolumeClaimResize",
    resources: ["persistentvolumeclaims"],
    validate(request) {
      if (request.operation !== "UPDATE" || !isFor(request, "persistentvolumeclaims")) return;
      const claim = request.object as PersistentVolumeClaim; // The resource says so, as for the old one.
      const old = request.old as PersistentVolumeClaim;
      const size = ({ spec }: PersistentVolumeClaim): string => spec.resources?.requests?.["storage"] ?? "0";
      if (compareQuantities(size(claim), size(old)) <= 0) return;
      // Validation refuses the others.
      if (old.status?.phase !== "Bound") return;
      const name = claim.spec.storageClassName;
      if (name && objects.get(StorageClasses, undefined, name)?.allowVolumeExpansion) return;
      throw refuse(
        request,
        "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize",
      );
    },
  };
}
