/** All plugins of Kubernetes v1.36 in the order in which they run. Those marked are off unless they are asked for. */
const plugins: readonly { name: string; off?: true }[] = [
  { name: "AlwaysAdmit", off: true },
  { name: "NamespaceAutoProvision", off: true },
  { name: "NamespaceLifecycle" },
  { name: "NamespaceExists", off: true },
  { name: "LimitPodHardAntiAffinityTopology", off: true },
  { name: "LimitRanger" },
  { name: "ServiceAccount" },
  // On in clusters that kubeadm and k3s make, though not by itself: agents join with no more rights than a node's.
  { name: "NodeRestriction" },
  { name: "TaintNodesByCondition" },
  { name: "AlwaysPullImages", off: true },
  { name: "ImagePolicyWebhook", off: true },
  { name: "PodSecurity" },
  { name: "PodNodeSelector", off: true },
  { name: "Priority" },
  { name: "DefaultTolerationSeconds" },
  { name: "PodTolerationRestriction", off: true },
  { name: "EventRateLimit", off: true },
  { name: "ExtendedResourceToleration", off: true },
  { name: "DefaultStorageClass" },
  { name: "StorageObjectInUseProtection" },
  { name: "PodGroupProtection" },
  { name: "OwnerReferencesPermissionEnforcement", off: true },
  { name: "PersistentVolumeClaimResize" },
  { name: "RuntimeClass" },
  { name: "CertificateApproval" },
  { name: "CertificateSigning" },
  { name: "ClusterTrustBundleAttest" },
  { name: "CertificateSubjectRestriction" },
  { name: "DefaultIngressClass" },
  { name: "DenyServiceExternalIPs", off: true },
  { name: "PodTopologyLabels" },
  { name: "PodGroupWorkloadExists" },
  { name: "NodeDeclaredFeatureValidator" },
  { name: "JobValidation" },
  { name: "PodResizeValidator" },
  { name: "MutatingAdmissionPolicy" },
  { name: "MutatingAdmissionWebhook" },
  { name: "ValidatingAdmissionPolicy" },
  { name: "ValidatingAdmissionWebhook" },
  { name: "ResourceQuota" },
  { name: "AlwaysDeny", off: true },
];

/** The names of all plugins. */
export const pluginNames: readonly string[] = plugins.map(({ name }) => name);

/** Which plugins run, and which of them that usually do not. */
export interface ChosenPlugins {
  disabled: ReadonlySet<string>;
  added: readonly string[];
}

/** What --enable-admission-plugins and --disable-admission-plugins choose. Throws an Error that names the flag. */
export function choosePlugins(enable: readonly string[], disable: readonly string[]): ChosenPlugins {
  for (const [flag, names] of Object.entries({ "enable-admission-plugins": enable, "disable-admission-plugins": disable })) {
    const unknown = names.find((name) => !pluginNames.includes(name));
    if (unknown !== undefined) throw new Error(`--${flag}: plugin "${unknown}" is unknown; known are ${pluginNames.join(", ")}`);
    const twice = names.find((name, index) => names.indexOf(name) < index);
    if (twice !== undefined) throw new Error(`--${flag}: plugin "${twice}" is named twice`);
  }
  const both = enable.filter((name) => disable.includes(name));
  if (both.length > 0) throw new Error(`[${both.join(" ")}] in enable-admission-plugins and disable-admission-plugins overlapped`);
  const added = plugins.filter(({ name, off }) => off && enable.includes(name)).map(({ name }) => name);
  return { disabled: new Set(disable), added };
}

/** Puts plugins into the order in which they run; what has no place of its own stays behind what it came behind. */
export function inOrder<T extends { name: string }>(given: readonly T[]): T[] {
  let last = 0;
  const placed = given.map((plugin) => {
    const place = pluginNames.indexOf(plugin.name);
    if (place >= 0) last = place;
    return { plugin, place: last };
  });
  return placed.sort((a, b) => a.place - b.place).map(({ plugin }) => plugin);
}
