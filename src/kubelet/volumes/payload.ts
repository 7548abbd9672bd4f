import type {
  ConfigMap,
  Container,
  DownwardAPIVolumeFile,
  KeyToPath,
  Pod,
  Secret,
  VolumeProjection,
  VolumeSource,
} from "../../api/types/core.v1.ts";
import { type NodeFacts, podField, resourceField } from "../pods/fields.ts";
import type { VolumeFile } from "./atomic-writer.ts";

/** A volume cannot be made ready now; the text goes into the FailedMount event. */
export class VolumeError extends Error {}

/** Where the files of configMap, secret, downwardAPI and projected volumes come from. */
export interface PayloadSources {
  node: NodeFacts;
  configMap(name: string): Promise<ConfigMap | undefined>;
  secret(name: string): Promise<Secret | undefined>;
  /** A token of the pod's service account. */
  token(audience: string | undefined, expirationSeconds: number): Promise<string>;
}

/** The files of such a volume; undefined for volumes of other kinds. Throws VolumeError. */
export async function volumePayload(pod: Pod, volume: VolumeSource, sources: PayloadSources): Promise<Map<string, VolumeFile> | undefined> {
  const files = new Map<string, VolumeFile>();
  if (volume.configMap) {
    const { name = "", items, optional, defaultMode } = volume.configMap;
    await addConfigMap(files, pod, { name, items, optional }, defaultMode, sources);
  } else if (volume.secret) {
    const { secretName = "", items, optional, defaultMode } = volume.secret;
    await addSecret(files, pod, { name: secretName, items, optional }, defaultMode, sources);
  } else if (volume.downwardAPI) addDownward(files, pod, volume.downwardAPI.items, volume.downwardAPI.defaultMode, sources.node);
  else if (volume.projected) {
    for (const source of volume.projected.sources ?? []) await addProjection(files, pod, source, volume.projected.defaultMode, sources);
  } else return undefined;
  return files;
}

async function addProjection(
  files: Map<string, VolumeFile>,
  pod: Pod,
  source: VolumeProjection,
  defaultMode: number | undefined,
  sources: PayloadSources,
): Promise<void> {
  const { configMap, secret, downwardAPI, serviceAccountToken, clusterTrustBundle, podCertificate } = source;
  if (configMap) await addConfigMap(files, pod, { ...configMap, name: configMap.name ?? "" }, defaultMode, sources);
  else if (secret) await addSecret(files, pod, { ...secret, name: secret.name ?? "" }, defaultMode, sources);
  else if (downwardAPI) addDownward(files, pod, downwardAPI.items, defaultMode, sources.node);
  else if (serviceAccountToken) {
    const { audience, expirationSeconds = 3600, path } = serviceAccountToken;
    files.set(path, { data: Buffer.from(await sources.token(audience, expirationSeconds)), mode: defaultMode ?? 0o644 });
  } else if (clusterTrustBundle && !clusterTrustBundle.optional)
    throw new VolumeError("clusterTrustBundle projections are not supported by this cluster");
  else if (podCertificate) throw new VolumeError("podCertificate projections are not supported by this node");
}

interface Reference {
  name: string;
  items?: KeyToPath[];
  optional?: boolean;
}

async function addConfigMap(
  files: Map<string, VolumeFile>,
  pod: Pod,
  ref: Reference,
  mode: number | undefined,
  sources: PayloadSources,
): Promise<void> {
  const object = await sources.configMap(ref.name);
  if (!object && !ref.optional) throw new VolumeError(`configmap "${ref.name}" not found`);
  const data = new Map<string, Buffer>();
  for (const [key, text] of Object.entries(object?.data ?? {})) data.set(key, Buffer.from(text));
  for (const [key, base64] of Object.entries(object?.binaryData ?? {})) data.set(key, Buffer.from(base64, "base64"));
  select(files, data, ref, mode, `configmap references non-existent config key`, pod);
}

async function addSecret(
  files: Map<string, VolumeFile>,
  pod: Pod,
  ref: Reference,
  mode: number | undefined,
  sources: PayloadSources,
): Promise<void> {
  const object = await sources.secret(ref.name);
  if (!object && !ref.optional) throw new VolumeError(`secret "${ref.name}" not found`);
  const data = new Map(Object.entries(object?.data ?? {}).map(([key, base64]) => [key, Buffer.from(base64, "base64")]));
  select(files, data, ref, mode, `references non-existent secret key`, pod);
}

/** All keys, or only the items; an item whose key is missing is an error unless the reference is optional. */
function select(
  files: Map<string, VolumeFile>,
  data: ReadonlyMap<string, Buffer>,
  { items, optional }: Reference,
  defaultMode: number | undefined,
  missing: string,
  _pod: Pod,
): void {
  const mode = defaultMode ?? 0o644;
  if (!items?.length) {
    for (const [key, bytes] of data) files.set(key, { data: bytes, mode });
    return;
  }
  for (const item of items) {
    const bytes = data.get(item.key);
    if (bytes) files.set(item.path, { data: bytes, mode: item.mode ?? mode });
    else if (!optional) throw new VolumeError(`${missing}: ${item.key}`);
  }
}

function addDownward(
  files: Map<string, VolumeFile>,
  pod: Pod,
  items: DownwardAPIVolumeFile[] | undefined,
  defaultMode: number | undefined,
  node: NodeFacts,
): void {
  for (const { path, fieldRef, resourceFieldRef, mode } of items ?? []) {
    const none: Container = { name: "" };
    const text = fieldRef
      ? podField(pod, fieldRef.fieldPath, node)
      : resourceFieldRef
        ? resourceField(pod, none, resourceFieldRef, node)
        : "";
    files.set(path, { data: Buffer.from(text), mode: mode ?? defaultMode ?? 0o644 });
  }
}
