import { allContainers } from "../../../api/core/pod-defaults.ts";
import type { Pod } from "../../../api/types/core.v1.ts";
import type { AdmissionPlugin, AdmissionRequest } from "../admission.ts";
import { refuse, writtenPod } from "../request.ts";

/** Images are pulled for every pod, so that nobody runs a private one that somebody else has pulled before. Image volumes too (KEP-4639). */
export const alwaysPullImages: AdmissionPlugin = {
  name: "AlwaysPullImages",
  resources: ["pods"],
  admit(request) {
    const pod = concerned(request);
    if (!pod) return;
    for (const container of allContainers(pod.spec)) container.imagePullPolicy = "Always";
    for (const { image } of pod.spec.volumes ?? []) if (image) image.pullPolicy = "Always";
  },
  validate(request) {
    const pod = concerned(request);
    if (!pod) return;
    const check = (path: string, policy: string | undefined): void => {
      if (policy !== "Always")
        throw refuse(request, `${path}: Unsupported value: ${JSON.stringify(policy ?? "")}: supported values: "Always"`);
    };
    for (const list of ["initContainers", "containers", "ephemeralContainers"] as const)
      for (const [index, container] of (pod.spec[list] ?? []).entries())
        check(`spec.${list}[${index}].imagePullPolicy`, container.imagePullPolicy);
    for (const [index, { image }] of (pod.spec.volumes ?? []).entries())
      if (image) check(`spec.volumes[${index}].image.pullPolicy`, image.pullPolicy);
  },
};

/** The pod, unless it is an update without another image. */
function concerned(request: AdmissionRequest): Pod | undefined {
  const pod = writtenPod(request);
  if (!pod || request.operation === "CREATE") return pod;
  const images = new Set(allContainers((request.old as Pod).spec).map(({ image }) => image)); // writtenPod has looked at the resource.
  return allContainers(pod.spec).every(({ image }) => images.has(image)) ? undefined : pod;
}
