import { hashSuffix } from "../../api/meta/names.ts";
import type { Container, Pod, ServiceAccount, Volume } from "../../api/types/core.v1.ts";
import { ServiceAccounts } from "../../api/types/resources.ts";
import { sleep, type Clock } from "../../lib/clock.ts";
import type { Objects } from "../objects.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission.ts";
import { createdPod, refuse } from "./request.ts";

const mountPath = "/var/run/secrets/kubernetes.io/serviceaccount";
const volumePrefix = "kube-api-access-";
/** How long a pod waits for the default account of a namespace that was made a moment ago. */
const patience = 2_000;

/** Every pod has a service account; its token, the cluster's authority and the namespace are mounted unless pod or account say no. */
export function serviceAccount(options: { objects: Objects; clock: Clock; nameSuffix: () => string }): AdmissionPlugin {
  return {
    name: "ServiceAccount",
    resources: ["pods"],
    admit(request) {
      const pod = createdPod(request);
      if (!pod) return;
      if (pod.metadata.annotations?.["kubernetes.io/config.mirror"] !== undefined) return checkMirrorPod(request, pod);
      const name = pod.spec.serviceAccountName || "default";
      pod.spec.serviceAccountName = name;
      pod.spec.serviceAccount = name;
      const complete = (account: ServiceAccount | undefined): void => {
        if (!account) {
          const why = `error looking up service account ${request.namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`;
          throw refuse(request, why);
        }
        if (pod.spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) mountToken(pod, options.nameSuffix);
        if (!pod.spec.imagePullSecrets?.length && account.imagePullSecrets?.length)
          pod.spec.imagePullSecrets = structuredClone(account.imagePullSecrets);
      };
      const account = options.objects.get(ServiceAccounts, request.namespace, name);
      return account || name !== "default" ? complete(account) : waitFor(options, request.namespace, name).then(complete);
    },
    validate(request) {
      const { operation, subresource } = request;
      const isNew = operation === "CREATE" && subresource === "";
      if (!isNew && !(operation === "UPDATE" && subresource === "ephemeralcontainers")) return;
      const pod = request.object as Pod; // The plugin looks at pods only.
      const account = options.objects.get(ServiceAccounts, request.namespace, pod.spec.serviceAccountName ?? "");
      if (!/^(1|t|true)$/i.test(account?.metadata.annotations?.["kubernetes.io/enforce-mountable-secrets"] ?? "")) return;
      const why =
        account && (isNew ? foreignSecret(pod, account) : foreignVariable(pod.spec.ephemeralContainers, "ephemeral container", account));
      if (why) throw refuse(request, why);
    },
  };
}

/** Which Secret a pod uses that its account does not list, where the account's pods may use no others; undefined when none. */
function foreignSecret({ spec }: Pod, account: ServiceAccount): string | undefined {
  const isListed = listedBy(account);
  const { name } = account.metadata;
  const volume = spec.volumes?.find(({ secret }) => secret && !isListed(secret.secretName));
  if (volume)
    return `volume with secret.secretName="${volume.secret?.secretName}" is not allowed because service account ${name} does not reference that secret`;
  const variable =
    foreignVariable(spec.initContainers, "init container", account) ?? foreignVariable(spec.containers, "container", account);
  if (variable) return variable;
  const pulls = spec.imagePullSecrets ?? [];
  const i = pulls.findIndex((pull) => !account.imagePullSecrets?.some((own) => own.name === pull.name));
  if (i < 0) return undefined;
  return `imagePullSecrets[${i}].name="${pulls[i]?.name}" is not allowed because service account ${name} does not reference that imagePullSecret`;
}

function foreignVariable(containers: Container[] | undefined, kind: string, account: ServiceAccount): string | undefined {
  const isListed = listedBy(account);
  for (const { name, env = [], envFrom = [] } of containers ?? []) {
    const uses = [
      ...env.map((one) => ({ how: `envVar ${one.name}`, ref: one.valueFrom?.secretKeyRef })),
      ...envFrom.map(({ secretRef }) => ({ how: "envFrom", ref: secretRef })),
    ];
    const foreign = uses.find(({ ref }) => ref && !isListed(ref.name));
    if (foreign)
      return `${kind} ${name} with ${foreign.how} referencing secret.secretName="${foreign.ref?.name}" is not allowed because service account ${account.metadata.name} does not reference that secret`;
  }
  return undefined;
}

function listedBy({ secrets = [] }: ServiceAccount): (name: string | undefined) => boolean {
  return (name) => secrets.some((secret) => secret.name === name);
}

function checkMirrorPod(request: AdmissionRequest, { spec }: Pod): void {
  if (spec.serviceAccountName) throw refuse(request, "a mirror pod may not reference service accounts");
  const refersToSecrets = [...spec.containers, ...(spec.initContainers ?? [])].some(
    ({ env, envFrom }) => env?.some((e) => e.valueFrom?.secretKeyRef) || envFrom?.some((e) => e.secretRef),
  );
  if (refersToSecrets || spec.volumes?.some((v) => v.secret || v.projected?.sources?.some((s) => s.secret)))
    throw refuse(request, "a mirror pod may not reference secrets");
  if (spec.volumes?.some((v) => v.projected?.sources?.some((s) => s.serviceAccountToken)))
    throw refuse(request, "a mirror pod may not use ServiceAccountToken volume projections");
}

/** The default account comes a moment after its namespace. */
async function waitFor(
  { objects, clock }: { objects: Objects; clock: Clock },
  namespace: string,
  name: string,
): Promise<ServiceAccount | undefined> {
  const found = new AbortController();
  const stop = objects.onChange<ServiceAccount>(ServiceAccounts, (account) => {
    if (account?.metadata.namespace === namespace && account.metadata.name === name) found.abort();
  });
  await sleep(clock, patience, found.signal);
  stop();
  return objects.get(ServiceAccounts, namespace, name);
}

function mountToken(pod: Pod, nameSuffix: () => string): void {
  const present = pod.spec.volumes?.find((volume) => volume.name.startsWith(volumePrefix));
  const name = present?.name ?? volumePrefix + suffixOf(pod, nameSuffix);
  let mounted = false;
  const mount = (container: Container): void => {
    // A container that mounts something of its own there keeps it.
    if (container.volumeMounts?.some((m) => m.mountPath === mountPath)) return;
    (container.volumeMounts ??= []).push({ name, readOnly: true, mountPath });
    mounted = true;
  };
  pod.spec.initContainers?.forEach(mount);
  pod.spec.containers.forEach(mount);
  if (mounted && !present) (pod.spec.volumes ??= []).push(tokenVolume(name));
}

/** One for all pods of an owner, of which there may be thousands: so their specs are equal, and kept once. */
function suffixOf({ metadata, spec }: Pod, nameSuffix: () => string): string {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller);
  return owner ? hashSuffix([owner.uid, spec.serviceAccountName]).padStart(5, "b").slice(-5) : nameSuffix();
}

function tokenVolume(name: string): Volume {
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds: 60 * 60 + 7, path: "token" } },
        { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
        { downwardAPI: { items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }] } },
      ],
    },
  };
}
