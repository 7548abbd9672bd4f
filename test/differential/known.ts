import type { Difference } from "./compare.ts";

interface Known {
  title: RegExp;
  where?: RegExp;
  /** Whether the two values differ in the way that is meant; default: however they do. */
  if?: (difference: Difference) => boolean;
  reason: string;
}

/** Differences that are meant, each with its reason. */
const known: readonly Known[] = [
  {
    title: / patch /,
    where: /^\.code$/,
    if: isRefusedAlike,
    reason: "a patch that cannot be merged is the client's mistake, 400, where the reference says 500 in the same words",
  },
  {
    title: /^Service/,
    where: /ode[pP]ort$/,
    if: ({ expected }) => expected === 32769 || expected === 32768 || expected === 30981,
    reason: "a dry run of the reference names the node port behind the last one given, or behind the end of the range",
  },
  {
    title: /^Service/,
    where: /^\.code$|causes$/,
    if: ({ got }) => `${got}`.includes("provided port is not in the valid range"),
    reason: "a dry run of the reference does not see that a node port is out of the range",
  },
  {
    title: /^Service (update|patch) spec.ports/,
    if: ({ expected, got }) => `${expected}`.startsWith("500 duplicate nodePort") && `${got}`.startsWith("422"),
    reason: "the reference stops with an internal error where two ports of a Service have one node port",
  },
  {
    title: /./,
    where: /^\.code$/,
    if: ({ expected }) => expected === "0 ",
    reason: "the reference's handler panics and closes the connection",
  },
  {
    title: /./,
    where: /^\.(body\.)?code$/,
    if: ({ expected, got }) => String(expected).trim() === "500" && String(got).trim() === "400",
    reason: "what the client did wrong is never a 5xx; the message is the reference's",
  },
  {
    title: /^Ingress create spec.ingressClassName/,
    where: /ingressClassName$/,
    reason: "hue serves Ingresses itself and has a default class",
  },
  {
    title: /^PersistentVolumeClaim create spec.storageClassName/,
    where: /storageClassName$/,
    reason: "hue provides volumes itself and has a default class",
  },
  {
    title: /^CertificateSigningRequest /,
    where: /^\.body\.spec\.(extra|uid)/,
    reason: "who asks is another user on each side",
  },
  {
    title:
      /^(PersistentVolume|PersistentVolumeClaim|ServiceCIDR|StorageClass|ResourceQuota|ResourceClaim|ResourceClaimTemplate|CSINode) .*: (\[\]|\{\}|left out|null)$/,
    if: ({ expected, got }) => /(": ?|value: )(\[\]|\{\})|Policy/.test(`${expected}`) && /(": ?|value: )null|201|200/.test(`${got}`),
    reason: "an empty list that may be left out is left out, where the reference tells it from none until it is stored",
  },
  {
    title: /^StatefulSet .* spec.template.metadata.labels/,
    where: /^\.repeated causes$/,
    reason: "the reference looks at the labels of a StatefulSet's template twice and lists each cause as often; hue lists it once",
  },
  {
    title: /WebhookConfiguration patch/,
    where: /^\.body\.metadata\.generation$/,
    if: ({ expected, got }) => expected === 2 && got === 1,
    reason: "a strategic patch that changes nothing counts as a change in the reference, which tells empty lists from none there",
  },
  {
    title: / spec\.template\.spec\.containers\.0\.ports: /,
    where: /f:ports\.k:.*\.\.$/,
    reason: "a port that is there twice has owners in the reference, but is itself nobody's; in hue it is its writer's",
  },
  {
    title: / patch .*: "text"$/,
    where: /causes$/,
    if: ({ expected, got }) => withoutStatus(expected) === withoutStatus(got),
    reason: "the refusal shows the whole object, whose status each server's controllers write in their own time",
  },
  {
    title: /^Node (update|patch)/,
    where: /^\.body\.spec\.taints\.\d+/,
    if: ({ expected, got }) => /node\.kubernetes\.io\/not-ready/.test(JSON.stringify([expected, got])),
    reason: "controllers taint a node that is not ready, each server's in its own time",
  },
];

/** A refusal of a patch in one text, without the status of the object that it shows. */
function withoutStatus(causes: unknown): string {
  return `${causes}`.replace(/(?<=^patch: Invalid value: .*),"status":\{.*\}(?=\}: )/s, "");
}

function isRefusedAlike({ expected, got }: Difference): boolean {
  return `${expected}`.startsWith("500 ") && `${got}` === `${expected}`.replace("500", "400");
}

/** Why a strategic patch could not be merged, if that is all that is wrong: the reference says 500 and hue 400 in the same words. */
export function unmergeable(difference: Difference): string | undefined {
  if (!isRefusedAlike(difference)) return undefined;
  return /does not contain declared merge key|list element types are not identical|unable to find api field in struct/.exec(
    `${difference.expected}`,
  )?.[0];
}

/** Why hue answers otherwise there, if that is meant. */
export function reasonFor(title: string, difference: Difference): string | undefined {
  return known.find((entry) => entry.title.test(title) && (entry.where?.test(difference.where) ?? true) && (entry.if?.(difference) ?? true))
    ?.reason;
}
