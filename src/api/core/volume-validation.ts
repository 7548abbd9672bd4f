import type { FieldError } from "../errors.ts";
import * as fault from "../meta/field-errors.ts";
import { validateLabels } from "../meta/labels.ts";
import { checkDnsLabel, checkDnsSubdomain } from "../meta/names.ts";
import { compareQuantities } from "../meta/quantity.ts";
import type {
  CSIVolumeSource,
  DownwardAPIVolumeFile,
  HostPathVolumeSource,
  ISCSIVolumeSource,
  KeyToPath,
  NFSVolumeSource,
  ProjectedVolumeSource,
  Volume,
} from "../types/core.v1.ts";
import { checkLocalPath } from "./container-validation.ts";
import { validateFieldRef, validateResourceFieldRef } from "./environment-validation.ts";
import { validateClaimSpec } from "./persistent-volume-claim.ts";

const hostPathTypes = ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
const modeText = "must be a number between 0 and 0777 (octal), both inclusive";

/** What is wrong with a pod's volumes. */
export function validateVolumes(field: string, volumes: readonly Volume[], podName: string): FieldError[] {
  const names = new Set<string>();
  return fault.each(field, volumes, (volume, path) => {
    const errors = validateSource(path, volume, podName);
    errors.push(...fault.requiredAndChecked(`${path}.name`, volume.name, checkDnsLabel));
    // As upstream: a volume that is wrong in itself takes no name.
    if (errors.length > 0) return errors;
    return [...errors, ...fault.once(names, `${path}.name`, volume.name)];
  });
}

// Sources that are checked beyond being the only one; the others are drivers that hue's nodes do not have.
const checks: { [K in keyof Volume]?: (path: string, volume: Volume, podName: string) => FieldError[] } = {
  emptyDir: (path, { emptyDir }) =>
    emptyDir?.sizeLimit !== undefined && compareQuantities(emptyDir.sizeLimit, "0") < 0
      ? [fault.forbidden(`${path}.sizeLimit`, "SizeLimit field must be a valid resource quantity")]
      : [],
  hostPath: (path, { hostPath }) => (hostPath ? validateHostPath(path, hostPath) : []),
  secret: (path, { secret }) => [
    ...(secret?.secretName ? [] : [fault.required(`${path}.secretName`)]),
    ...validateMode(`${path}.defaultMode`, secret?.defaultMode),
    ...validateItems(`${path}.items`, secret?.items),
  ],
  configMap: (path, { configMap }) => [
    ...(configMap?.name ? [] : [fault.required(`${path}.name`)]),
    ...validateMode(`${path}.defaultMode`, configMap?.defaultMode),
    ...validateItems(`${path}.items`, configMap?.items),
  ],
  persistentVolumeClaim: (path, { persistentVolumeClaim }) =>
    persistentVolumeClaim?.claimName ? [] : [fault.required(`${path}.claimName`)],
  nfs: (path, { nfs }) => (nfs ? validateNfs(path, nfs) : []),
  iscsi: (path, { iscsi }) => (iscsi ? validateIscsi(path, iscsi) : []),
  csi: (path, { csi }) => (csi ? validateInlineCsi(path, csi) : []),
  downwardAPI: (path, { downwardAPI }) => [
    ...validateMode(`${path}.defaultMode`, downwardAPI?.defaultMode),
    ...(downwardAPI?.items ?? []).flatMap((item) => validateDownwardFile(path, item)),
  ],
  projected: (path, { projected }) => (projected ? validateProjected(path, projected) : []),
  ephemeral: (path, { name, ephemeral }, podName) => {
    const template = ephemeral?.volumeClaimTemplate;
    if (!template) return [fault.required(`${path}.volumeClaimTemplate`)];
    const errors = [
      ...validateLabels(`${path}.volumeClaimTemplate.metadata.labels`, template.metadata?.labels),
      ...validateClaimSpec(`${path}.volumeClaimTemplate.spec`, template.spec),
    ];
    const claim = `${podName}-${name}`;
    if (podName && name)
      errors.push(
        ...checkDnsSubdomain(claim).map((text) =>
          fault.invalid(path.replace(/ephemeral$/, "name"), name, `PVC name ${JSON.stringify(claim)}: ${text}`),
        ),
      );
    return errors;
  },
  image: (path, { image }) =>
    image?.pullPolicy ? fault.oneOf(`${path}.pullPolicy`, image.pullPolicy, ["Always", "IfNotPresent", "Never"]) : [],
};

// The order in which upstream looks at the sources: it names the later of two in its message.
const order: (keyof Volume)[] = ["emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs"];

function validateSource(path: string, volume: Volume, podName: string): FieldError[] {
  const present = (Object.keys(volume) as (keyof Volume)[]).filter((key) => key !== "name" && volume[key] !== undefined);
  present.sort((a, b) => rank(a) - rank(b));
  const [first, ...others] = present;
  if (!first) return [fault.required(path, "must specify a volume type")];
  return [
    ...(checks[first]?.(`${path}.${first}`, volume, podName) ?? []),
    ...others.map((key) => fault.forbidden(`${path}.${key}`, "may not specify more than 1 volume type")),
  ];
}

function rank(key: keyof Volume): number {
  const index = order.indexOf(key);
  return index < 0 ? order.length : index;
}

/** What is wrong with a path on the node. */
export function validateHostPath(path: string, { path: host, type }: HostPathVolumeSource): FieldError[] {
  const errors: FieldError[] = [];
  if (!host) errors.push(fault.required(`${path}.path`));
  else if (host.split("/").includes("..")) errors.push(fault.invalid(`${path}.path`, host, "must not contain '..'"));
  if (type && !hostPathTypes.includes(type)) errors.push(fault.notSupported(`${path}.type`, type, hostPathTypes));
  return errors;
}

/** What is wrong with an NFS volume. */
export function validateNfs(path: string, { server, path: exported }: NFSVolumeSource): FieldError[] {
  const errors: FieldError[] = [];
  if (!server) errors.push(fault.required(`${path}.server`));
  if (!exported) errors.push(fault.required(`${path}.path`));
  if (!exported?.startsWith("/")) errors.push(fault.invalid(`${path}.path`, exported ?? "", "must be an absolute path"));
  return errors;
}

const iscsiName = /^(iqn\.\d{4}-\d{2}\.[a-zA-Z\d.-]+(:[^,;*&$|\s]+)?|eui\.[\da-fA-F]{16}|naa\.[\da-fA-F]{32})$/;

function validateIscsi(path: string, { targetPortal, iqn, lun = 0 }: ISCSIVolumeSource): FieldError[] {
  const errors = targetPortal ? [] : [fault.required(`${path}.targetPortal`)];
  if (!iqn) errors.push(fault.required(`${path}.iqn`));
  else if (!/^(iqn|eui|naa)/.test(iqn))
    errors.push(fault.invalid(`${path}.iqn`, iqn, "must be valid format starting with iqn, eui, or naa"));
  else if (!iscsiName.test(iqn)) errors.push(fault.invalid(`${path}.iqn`, iqn, "must be valid format"));
  if (lun < 0 || lun > 255) errors.push(fault.invalid(`${path}.lun`, lun, "must be between 0 and 255, inclusive"));
  return errors;
}

function validateInlineCsi(path: string, { driver, nodePublishSecretRef }: CSIVolumeSource): FieldError[] {
  const errors = driver
    ? fault.invalidEach(`${path}.driver`, driver, checkDnsSubdomain(driver.toLowerCase()))
    : [fault.required(`${path}.driver`)];
  if (driver && driver.length > 63) errors.unshift(fault.tooLong(`${path}.driver`, 63));
  if (nodePublishSecretRef && !nodePublishSecretRef.name) errors.push(fault.required(`${path}.nodePublishSecretRef.name`));
  return errors;
}

function validateMode(path: string, mode: number | undefined): FieldError[] {
  return mode !== undefined && (mode < 0 || mode > 0o777) ? [fault.invalid(path, mode, modeText)] : [];
}

function validateItems(path: string, items: readonly KeyToPath[] | undefined): FieldError[] {
  return (items ?? []).flatMap((item, i) => {
    const errors: FieldError[] = [];
    if (!item.key) errors.push(fault.required(`${path}[${i}].key`));
    if (!item.path) errors.push(fault.required(`${path}[${i}].path`));
    else errors.push(...checkFilePath(`${path}[${i}].path`, item.path));
    return [...errors, ...validateMode(`${path}[${i}].mode`, item.mode)];
  });
}

function checkFilePath(field: string, path: string): FieldError[] {
  const errors = checkLocalPath(field, path);
  if (path.startsWith("..")) errors.push(fault.invalid(field, path, "must not start with '..'"));
  return errors;
}

function validateDownwardFile(path: string, file: DownwardAPIVolumeFile): FieldError[] {
  const errors = file.path ? checkFilePath(`${path}.path`, file.path) : [fault.required(`${path}.path`)];
  const { fieldRef, resourceFieldRef } = file;
  if (fieldRef) {
    errors.push(...validateFieldRef(`${path}.fieldRef`, fieldRef));
    if (resourceFieldRef) errors.push(fault.invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"));
  } else if (resourceFieldRef) {
    if (!resourceFieldRef.containerName) errors.push(fault.required(`${path}.resourceFieldRef.containerName`));
    else errors.push(...validateResourceFieldRef(`${path}.resourceFieldRef`, resourceFieldRef));
  } else errors.push(fault.required(path, "one of fieldRef and resourceFieldRef is required"));
  return [...errors, ...validateMode(`${path}.mode`, file.mode)];
}

function validateProjected(path: string, { sources, defaultMode }: ProjectedVolumeSource): FieldError[] {
  const paths = new Set<string>();
  const errors = validateMode(`${path}.defaultMode`, defaultMode);
  const use = (file: string, shown = file): void => {
    if (file && paths.has(file)) errors.push(fault.invalid(path, shown, "conflicting duplicate paths"));
    paths.add(file);
  };
  for (const [i, source] of (sources ?? []).entries()) {
    const at = `${path}.sources[${i}]`;
    for (const kind of ["secret", "configMap"] as const) {
      const projection = source[kind];
      if (!projection) continue;
      if (!projection.name) errors.push(fault.required(`${at}.${kind}.name`));
      errors.push(...validateItems(`${at}.${kind}.items`, projection.items));
      for (const item of projection.items ?? []) use(item.path, projection.name);
    }
    for (const item of source.downwardAPI?.items ?? []) {
      errors.push(...validateDownwardFile(`${at}.downwardAPI`, item));
      use(item.path);
    }
    const token = source.serviceAccountToken;
    if (token) {
      const seconds = token.expirationSeconds ?? 3600;
      if (seconds < 600)
        errors.push(
          fault.invalid(`${at}.serviceAccountToken.expirationSeconds`, seconds, "may not specify a duration less than 10 minutes"),
        );
      if (seconds > 2 ** 32)
        errors.push(
          fault.invalid(`${at}.serviceAccountToken.expirationSeconds`, seconds, "may not specify a duration larger than 2^32 seconds"),
        );
      if (!token.path) errors.push(fault.required(`${path}.path`));
      else errors.push(...checkFilePath(`${path}.path`, token.path));
    }
    if (Object.values(source).filter((s) => s !== undefined).length > 1)
      errors.push(fault.forbidden(at, "may not specify more than 1 volume type per source"));
  }
  return errors;
}
