import { deepEqual } from "../../api/meta/equality.ts";
import type { CertificateSigningRequest } from "../../api/types/certificates.v1.ts";
import type { RequestAttributes } from "../../api/user.ts";
import { parseRequest } from "../../pki/credentials.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission.ts";
import { refuse } from "./request.ts";

const group = "certificates.k8s.io";
const resources = [`certificatesigningrequests.${group}`];

/** Who may approve and sign which certificate requests: the verbs approve and sign on the signer's name. */
export function certificateAdmission(isAllowed: (attributes: RequestAttributes) => boolean | Promise<boolean>): AdmissionPlugin[] {
  const may = async ({ user }: AdmissionRequest, verb: string, signer: string): Promise<boolean> => {
    const where = { isResource: true, path: "", group, version: "v1", resource: "signers", subresource: "", namespace: "" };
    for (const name of signerNames(signer)) if (await isAllowed({ ...where, user, verb, name })) return true;
    return false;
  };
  return [
    {
      // Who asks is what authentication says, not what the request claims.
      name: "CertificateRequester",
      resources,
      admit(request) {
        if (request.operation !== "CREATE" || request.resource.plural !== "certificatesigningrequests" || request.subresource) return;
        const { spec } = request.object as CertificateSigningRequest; // The resource says so.
        const { name, uid, groups, extra } = request.user;
        spec.username = name;
        spec.groups = [...groups];
        if (uid) spec.uid = uid;
        else delete spec.uid;
        if (extra) spec.extra = Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]]));
        else delete spec.extra;
      },
    },
    {
      name: "CertificateApproval",
      resources,
      async validate(request) {
        const old = certificateUpdate(request, "approval");
        if (old && !(await may(request, "approve", old.spec.signerName)))
          throw refuse(request, `user not permitted to approve requests with signerName ${JSON.stringify(old.spec.signerName)}`);
      },
    },
    {
      name: "CertificateSigning",
      resources,
      async validate(request) {
        const old = certificateUpdate(request, "status");
        if (!old) return;
        const { status } = request.object as CertificateSigningRequest; // certificateUpdate has looked at the resource.
        const same = status?.certificate === old.status?.certificate && deepEqual(status?.conditions ?? [], old.status?.conditions ?? []);
        if (!same && !(await may(request, "sign", old.spec.signerName)))
          throw refuse(request, `user not permitted to sign requests with signerName ${JSON.stringify(old.spec.signerName)}`);
      },
    },
    {
      name: "CertificateSubjectRestriction",
      resources,
      async validate(request) {
        if (request.operation !== "CREATE" || request.resource.plural !== "certificatesigningrequests" || request.subresource) return;
        const { spec } = request.object as CertificateSigningRequest; // The resource says so.
        if (spec.signerName !== "kubernetes.io/kube-apiserver-client") return;
        const { organizations } = await certificateSubject(spec.request);
        if (organizations.includes("system:masters"))
          throw refuse(request, "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed");
      },
    },
  ];
}

/** The state before, when the request updates that subresource of a CertificateSigningRequest. */
function certificateUpdate(
  { operation, resource, subresource, old }: AdmissionRequest,
  wanted: string,
): CertificateSigningRequest | undefined {
  if (operation !== "UPDATE" || resource.group !== group || resource.plural !== "certificatesigningrequests") return undefined;
  return subresource === wanted ? (old as CertificateSigningRequest) : undefined; // The resource says so.
}

/** The names by which roles can allow a signer: its own, and all of its domain. */
function signerNames(signer: string): string[] {
  const slash = signer.indexOf("/");
  return slash < 0 ? [signer] : [signer, `${signer.slice(0, slash)}/*`];
}

/** The subject that a CertificateSigningRequest asks for; empty when it cannot be read, which validation refuses. */
export async function certificateSubject(request: string): Promise<{ commonName: string; organizations: string[] }> {
  try {
    return await parseRequest(Buffer.from(request, "base64").toString());
  } catch {
    return { commonName: "", organizations: [] };
  }
}
