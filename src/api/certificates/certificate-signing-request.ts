import type { FieldError } from "../errors.ts";
import type { KindRules } from "../kind.ts";
import * as fault from "../meta/field-errors.ts";
import { age, humanDuration } from "../meta/time.ts";
import type { CertificateSigningRequest } from "../types/certificates.v1.ts";

const usages = `any, cert sign, client auth, code signing, content commitment, crl sign, data encipherment, decipher only,
  digital signature, email protection, encipher only, ipsec end system, ipsec tunnel, ipsec user, key agreement, key encipherment,
  microsoft sgc, netscape sgc, ocsp signing, s/mime, server auth, signing, timestamping`.split(/,\s+/);

/** The rules of CertificateSigningRequests. The API server fills in who asks; approval and issuing are subresources. */
export const certificateSigningRequestRules: KindRules<CertificateSigningRequest> = {
  validate: ({ spec }) => [
    ...validateRequest(spec?.request),
    ...validateUsages(spec?.usages ?? []),
    ...validateSigner(spec?.signerName ?? ""),
    ...((spec?.expirationSeconds ?? 600) < 600
      ? [fault.invalid("spec.expirationSeconds", spec.expirationSeconds, "may not specify a duration less than 600 seconds (10 minutes)")]
      : []),
  ],
  prepareForUpdate(request, { spec }) {
    request.spec = structuredClone(spec);
  },
  cells: ({ metadata, spec, status }, now) => [
    metadata.name,
    age(metadata.creationTimestamp, now),
    spec.signerName || "<none>",
    spec.username || "",
    spec.expirationSeconds === undefined ? "<none>" : humanDuration(spec.expirationSeconds * 1000),
    conditionText(status),
  ],
  fields: { "spec.signerName": ({ spec }) => spec?.signerName ?? "" },
};

function conditionText(status: CertificateSigningRequest["status"] | undefined): string {
  const has = (type: string): boolean => status?.conditions?.some((condition) => condition.type === type) ?? false;
  const words: string[] = [];
  if (has("Denied")) words.push("Denied");
  else if (has("Approved")) words.push("Approved");
  else words.push("Pending");
  if (has("Failed")) words.push("Failed");
  if (status?.certificate) words.push("Issued");
  return words.join(",");
}

function validateRequest(request: string | undefined): FieldError[] {
  const text = Buffer.from(request ?? "", "base64").toString("latin1");
  const type = /-----BEGIN ([^-]+)-----/.exec(text)?.[1];
  return type === "CERTIFICATE REQUEST" ? [] : [fault.invalid("spec.request", request, "PEM block type must be CERTIFICATE REQUEST")];
}

function validateUsages(given: readonly string[]): FieldError[] {
  if (given.length === 0) return [fault.required("spec.usages")];
  return given.flatMap((usage, i) => [
    ...(usages.includes(usage) ? [] : [fault.notSupported(`spec.usages[${i}]`, usage, usages)]),
    ...(given.indexOf(usage) < i ? [fault.duplicate(`spec.usages[${i}]`, usage)] : []),
  ]);
}

function validateSigner(name: string): FieldError[] {
  if (!name) return [fault.required("spec.signerName")];
  if (!name.includes("/") || name.split("/").some((part) => part === ""))
    return [fault.invalid("spec.signerName", name, "must be a fully qualified domain and path of the form 'example.com/signer-name'")];
  if (name === "kubernetes.io/legacy-unknown")
    return [fault.invalid("spec.signerName", name, "the legacy signerName is not allowed via this API version")];
  return [];
}
