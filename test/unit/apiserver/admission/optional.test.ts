import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Event, PodSpec, Service } from "../../../../src/api/types/core.v1.ts";
import { ConfigMaps, Events, Namespaces, Pods, Services } from "../../../../src/api/types/resources.ts";
import { type MakePlugin, optionalPlugin } from "../../../../src/apiserver/admission/optional/index.ts";
import { choosePlugins } from "../../../../src/apiserver/admission/plugins.ts";
import { podSecuritySettings } from "../../../../src/apiserver/admission/pod-security-policy.ts";
import { FakeClock } from "../../../../src/lib/clock.ts";
import { silentLogger } from "../../../../src/lib/log.ts";
import { type SecureServer, startSecureServer } from "../../../support/secure-server.ts";
import { AdmissionHarness } from "./harness.ts";

const clock = new FakeClock();
const folder = mkdtempSync(join(tmpdir(), "hue-test-"));
const closing: (() => void)[] = [];
afterAll(() => {
  for (const close of closing) close();
  rmSync(folder, { recursive: true });
});

const plugin = (name: string, value?: unknown): Promise<MakePlugin> =>
  optionalPlugin(name, value === undefined ? undefined : { value, folder }, { clock, log: silentLogger, closing });

/** Admission with that plugin beside the usual ones. */
async function withPlugin(name: string, configuration?: unknown, created: string[] = []): Promise<AdmissionHarness> {
  const createNamespace = async (namespace: string): Promise<void> => {
    created.push(namespace);
    admission.namespace(namespace);
  };
  const admission = new AdmissionHarness({ added: [await plugin(name, configuration)], createNamespace });
  return admission;
}

describe("which plugins run", () => {
  test("those that Kubernetes runs, those asked for, without those not wanted, in Kubernetes' order", () => {
    expect(choosePlugins(["EventRateLimit", "AlwaysPullImages", "PodSecurity"], ["LimitRanger"])).toEqual({
      added: ["AlwaysPullImages", "EventRateLimit"],
      disabled: new Set(["LimitRanger"]),
    });
  });

  test.each([
    [
      ["NoSuch"],
      [],
      '--enable-admission-plugins: plugin "NoSuch" is unknown; known are AlwaysAdmit, NamespaceAutoProvision, NamespaceLifecycle',
    ],
    [[], ["NoSuch"], '--disable-admission-plugins: plugin "NoSuch" is unknown'],
    [["PodSecurity"], ["PodSecurity"], "[PodSecurity] in enable-admission-plugins and disable-admission-plugins overlapped"],
  ])("refuses %j and %j", (enable, disable, why) => {
    expect(() => choosePlugins(enable, disable)).toThrow(why);
  });

  test("a plugin that is disabled does nothing, and one that is added has its place", async () => {
    const admission = new AdmissionHarness({
      disabled: new Set(["DefaultTolerationSeconds"]),
      added: [await plugin("NamespaceAutoProvision")],
    });
    expect((await admission.pod()).object.spec.tolerations).toBeUndefined();
    // Made before NamespaceLifecycle looks for it.
    const created: string[] = [];
    const provisioning = await withPlugin("NamespaceAutoProvision", undefined, created);
    await provisioning.write(ConfigMaps, { metadata: { name: "a" } }, { namespace: "new" });
    expect(created).toEqual(["new"]);
    await expect(provisioning.write(ConfigMaps, { metadata: { name: "a" } }, { namespace: "dry", dryRun: true })).rejects.toMatchObject({
      code: 404,
    });
  });
});

describe("AlwaysPullImages", () => {
  test("makes every container's and image volume's image be pulled", async () => {
    const admission = await withPlugin("AlwaysPullImages");
    const { object } = await admission.pod({
      initContainers: [{ name: "i", image: "x", imagePullPolicy: "Never" }],
      containers: [{ name: "a", image: "x", imagePullPolicy: "IfNotPresent" }],
      volumes: [{ name: "v", image: { reference: "x", pullPolicy: "Never" } }],
    });
    expect(object.spec.containers[0]?.imagePullPolicy).toBe("Always");
    expect(object.spec.initContainers?.[0]?.imagePullPolicy).toBe("Always");
    expect(object.spec.volumes?.[0]?.image?.pullPolicy).toBe("Always");
  });

  test("leaves an update alone that brings no new image", async () => {
    const admission = await withPlugin("AlwaysPullImages");
    const old = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p", namespace: "ns" },
      spec: { containers: [{ name: "a", image: "x", imagePullPolicy: "Never" }] },
    };
    const update = (image: string) =>
      admission.write<typeof old>(
        Pods,
        { ...old, spec: { containers: [{ ...old.spec.containers[0], image }] } },
        { operation: "UPDATE", old: old as never },
      );
    expect((await update("x")).object.spec.containers[0]?.imagePullPolicy).toBe("Never");
    expect((await update("y")).object.spec.containers[0]?.imagePullPolicy).toBe("Always");
  });
});

describe("PodNodeSelector", () => {
  const configuration = { podNodeSelectorPluginConfig: { clusterDefaultNodeSelector: "zone=a", ns: "zone=a,env=test", free: "" } };
  const annotate = (admission: AdmissionHarness, selector: string) =>
    admission.objects.put(Namespaces, {
      metadata: { name: "ns", annotations: { "scheduler.alpha.kubernetes.io/node-selector": selector } },
    });

  test("gives pods the cluster's selector, or that of their namespace", async () => {
    const admission = await withPlugin("PodNodeSelector", configuration);
    expect((await admission.pod()).object.spec.nodeSelector).toEqual({ zone: "a" });
    annotate(admission, "env=test");
    expect((await admission.pod({ nodeSelector: { zone: "a" } })).object.spec.nodeSelector).toEqual({ env: "test", zone: "a" });
  });

  test("refuses a selector that is another, or not among those allowed", async () => {
    const admission = await withPlugin("PodNodeSelector", configuration);
    await expect(admission.pod({ nodeSelector: { zone: "b" } })).rejects.toThrow(
      "pod node label selector conflicts with its namespace node label selector",
    );
    await expect(admission.pod({ nodeSelector: { disk: "ssd" } })).rejects.toThrow(
      "pod node label selector labels conflict with its namespace whitelist",
    );
  });
});

describe("PodTolerationRestriction", () => {
  const annotate = (admission: AdmissionHarness, annotations: Record<string, object[]>) =>
    admission.objects.put(Namespaces, {
      metadata: {
        name: "ns",
        annotations: Object.fromEntries(
          Object.entries(annotations).map(([name, value]) => [`scheduler.alpha.kubernetes.io/${name}`, JSON.stringify(value)]),
        ),
      },
    });
  const own = (spec: PodSpec) => (spec.tolerations ?? []).filter(({ key }) => !key?.startsWith("node.kubernetes.io/"));

  test("adds the namespace's tolerations, else the configuration's", async () => {
    const admission = await withPlugin("PodTolerationRestriction", {
      apiVersion: "podtolerationrestriction.admission.k8s.io/v1alpha1",
      kind: "Configuration",
      default: [{ key: "cluster", operator: "Exists" }],
    });
    expect(own((await admission.pod()).object.spec)).toEqual([{ key: "cluster", operator: "Exists" }]);
    annotate(admission, { defaultTolerations: [{ key: "a", operator: "Equal", value: "b", effect: "NoSchedule" }] });
    const covering = { key: "a", operator: "Exists" as const };
    expect(own((await admission.pod({ tolerations: [covering] })).object.spec)).toEqual([covering]);
    expect(own((await admission.pod()).object.spec)).toEqual([{ key: "a", operator: "Equal", value: "b", effect: "NoSchedule" }]);
  });

  test("refuses tolerations beyond the whitelist", async () => {
    const admission = await withPlugin("PodTolerationRestriction");
    const always = ["not-ready", "unreachable"].map((name) => ({
      key: `node.kubernetes.io/${name}`,
      operator: "Exists",
      effect: "NoExecute",
    }));
    annotate(admission, { tolerationsWhitelist: [...always, { key: "a", operator: "Exists", effect: "NoSchedule" }] });
    await admission.pod({ tolerations: [{ key: "a", operator: "Equal", value: "x", effect: "NoSchedule" }] });
    for (const refused of [{ key: "b", operator: "Exists" }, { operator: "Exists" }, { key: "a", operator: "Exists", effect: "NoExecute" }])
      await expect(admission.pod({ tolerations: [refused as never] })).rejects.toThrow("conflict with its namespace whitelist");
  });
});

describe("EventRateLimit", () => {
  const configuration = (...limits: object[]) => ({
    apiVersion: "eventratelimit.admission.k8s.io/v1alpha1",
    kind: "Configuration",
    limits,
  });
  const send = (admission: AdmissionHarness, name: string, more: object = {}) =>
    admission.write<Event>(Events, { metadata: { name }, involvedObject: { kind: "Pod", name }, source: { component: "c" } }, more);

  test("refuses what comes too fast with 429, until time has passed", async () => {
    const admission = await withPlugin("EventRateLimit", configuration({ type: "Server", qps: 1, burst: 2 }));
    await send(admission, "a");
    await send(admission, "b");
    await expect(send(admission, "c")).rejects.toMatchObject({
      code: 429,
      message: expect.stringContaining("limit reached on type Server for key"),
    });
    await send(admission, "d", { dryRun: true });
    await admission.pod();
    clock.advance(1000);
    await send(admission, "e");
  });

  test("counts by namespace, user, or source and object", async () => {
    for (const [type, other] of [
      ["Namespace", { namespace: "ns2" }],
      ["User", { user: { name: "jim", groups: [] } }],
    ] as const) {
      const admission = await withPlugin("EventRateLimit", configuration({ type, qps: 1, burst: 1 }));
      admission.namespace("ns2");
      await send(admission, "a");
      await expect(send(admission, "b")).rejects.toMatchObject({ code: 429 });
      await send(admission, "c", other);
    }
    const admission = await withPlugin("EventRateLimit", configuration({ type: "SourceAndObject", qps: 1, burst: 1 }));
    await send(admission, "a");
    await send(admission, "b");
    await expect(send(admission, "a")).rejects.toMatchObject({ code: 429 });
  });

  test.each([
    [undefined, "it must hold a Configuration"],
    [configuration(), "limits: must not be empty"],
    [configuration({ type: "Some", qps: 1, burst: 1 }), 'limits[0].type: Unsupported value: "Some"'],
    [configuration({ type: "Server", qps: 0, burst: 1 }), "limits[0].qps: must be positive"],
  ])("refuses the configuration %j", async (value, why) => {
    await expect(plugin("EventRateLimit", value)).rejects.toThrow(why);
  });
});

describe("ImagePolicyWebhook", () => {
  let server: SecureServer;
  beforeAll(async () => {
    server = await startSecureServer(({ body }) => {
      const bad = body.spec.containers.some(({ image }: { image: string }) => image.includes("evil"));
      return { body: { status: { allowed: !bad, ...(bad ? { reason: "evil image" } : {}) } } };
    });
    server.writeKubeconfig(join(folder, "images"));
  });
  afterAll(() => server.stop());

  test("asks about the images of pods, and keeps the answer", async () => {
    const admission = await withPlugin("ImagePolicyWebhook", { imagePolicy: { kubeConfigFile: "images" } });
    await admission.pod();
    await admission.pod();
    await expect(admission.pod({ containers: [{ name: "a", image: "evil" }] })).rejects.toThrow(
      "image policy webhook backend denied one or more images: evil image",
    );
    expect(server.asked.map(({ body }) => body.spec)).toEqual([
      { containers: [{ image: "x" }], namespace: "ns" },
      { containers: [{ image: "evil" }], namespace: "ns" },
    ]);
  });

  test("that cannot be asked refuses, unless the configuration says otherwise", async () => {
    const { answer } = server;
    server.answer = () => ({ code: 400 });
    const spec = { containers: [{ name: "a", image: "other" }] };
    await expect((await withPlugin("ImagePolicyWebhook", { imagePolicy: { kubeConfigFile: "images" } })).pod(spec)).rejects.toMatchObject({
      code: 403,
    });
    await (await withPlugin("ImagePolicyWebhook", { imagePolicy: { kubeConfigFile: "images", defaultAllow: true } })).pod(spec);
    server.answer = answer;
  });
});

test("LimitPodHardAntiAffinityTopology lets pods keep others away from their node only", async () => {
  const admission = await withPlugin("LimitPodHardAntiAffinityTopology");
  const apart = (topologyKey: string) =>
    admission.pod({ affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey }] } } });
  await apart("kubernetes.io/hostname");
  await expect(apart("topology.kubernetes.io/zone")).rejects.toThrow("but only key kubernetes.io/hostname is allowed");
});

test("ExtendedResourceToleration tolerates the taint of the nodes that have the device", async () => {
  const admission = await withPlugin("ExtendedResourceToleration");
  const { object } = await admission.pod({
    containers: [{ name: "a", image: "x", resources: { requests: { cpu: "1", "example.com/gpu": "1" } } }],
  });
  expect(object.spec.tolerations).toContainEqual({ key: "example.com/gpu", operator: "Exists", effect: "NoSchedule" });
  expect(object.spec.tolerations?.some(({ key }) => key === "cpu")).toBe(false);
});

test("DenyServiceExternalIPs refuses further external addresses", async () => {
  const admission = await withPlugin("DenyServiceExternalIPs");
  const service = (...externalIPs: string[]) => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "s", namespace: "ns" },
    spec: { externalIPs },
  });
  await admission.write<Service>(Services, service());
  await expect(admission.write(Services, service("1.2.3.4"))).rejects.toThrow("Use of external IPs is denied by admission control");
  const old = service("1.2.3.4", "1.2.3.5") as never;
  await admission.write(Services, service("1.2.3.4"), { operation: "UPDATE", old });
  await expect(admission.write(Services, service("1.2.3.6"), { operation: "UPDATE", old })).rejects.toMatchObject({ code: 403 });
});

test("NamespaceExists, AlwaysAdmit and AlwaysDeny", async () => {
  await (await withPlugin("AlwaysAdmit")).write(ConfigMaps, { metadata: { name: "a" } });
  const admission = new AdmissionHarness({ disabled: new Set(["NamespaceLifecycle"]), added: [await plugin("NamespaceExists")] });
  await expect(admission.write(ConfigMaps, { metadata: { name: "a" } }, { namespace: "none" })).rejects.toMatchObject({ code: 404 });
  await admission.write(ConfigMaps, { metadata: { name: "a" } });
  await expect((await withPlugin("AlwaysDeny")).write(ConfigMaps, { metadata: { name: "a" } })).rejects.toThrow(
    "admission control is denying all modifications",
  );
});

describe("OwnerReferencesPermissionEnforcement", () => {
  const owner = { apiVersion: "apps/v1", kind: "Deployment", name: "d", uid: "1" };
  const object = (...ownerReferences: object[]) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "a", namespace: "ns", ownerReferences },
  });

  test("who changes owners must be allowed to delete the object", async () => {
    const admission = await withPlugin("OwnerReferencesPermissionEnforcement");
    const update = () => admission.write(ConfigMaps, object(owner), { operation: "UPDATE", old: object() as never });
    await expect(update()).rejects.toThrow("cannot set an ownerRef on a resource you can't delete");
    admission.isAllowed = ({ verb, resource, name }) => verb === "delete" && resource === "configmaps" && name === "a";
    await update();
    admission.isAllowed = () => false;
    await admission.write(ConfigMaps, object(owner));
  });

  test("who lets an owner wait must be allowed to set the owner's finalizers", async () => {
    const admission = await withPlugin("OwnerReferencesPermissionEnforcement");
    const create = (ref: object) => admission.write(ConfigMaps, object({ ...ref, blockOwnerDeletion: true }));
    await expect(create(owner)).rejects.toThrow('no matches for kind "Deployment" in version "apps/v1"');
    admission.isAllowed = ({ verb, subresource, resource }) => verb === "update" && subresource === "finalizers" && resource === "*";
    await create(owner);
  });
});

describe("a PodSecurityConfiguration", () => {
  const configuration = {
    ...{ apiVersion: "pod-security.admission.config.k8s.io/v1", kind: "PodSecurityConfiguration" },
    defaults: { enforce: "baseline", "enforce-version": "latest", warn: "restricted" },
    exemptions: { usernames: ["trusted"], namespaces: ["free"], runtimeClasses: ["kata"] },
  };
  const admission = new AdmissionHarness({
    podSecurity: podSecuritySettings(configuration),
    disabled: new Set(["RuntimeClass", "ServiceAccount"]),
  });
  admission.namespace("free");
  admission.namespace("open", { "pod-security.kubernetes.io/enforce": "privileged", "pod-security.kubernetes.io/warn": "privileged" });
  const host = (more: object = {}, spec: object = {}) => admission.pod({ hostNetwork: true, ...spec }, more);

  test("holds where the namespace says nothing", async () => {
    await expect(host()).rejects.toThrow('violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)');
    expect((await admission.pod()).warnings[0]).toContain('would violate PodSecurity "restricted:latest"');
    expect((await host({ namespace: "open" })).warnings).toEqual([]);
  });

  test("leaves out the users, namespaces and runtime classes that it names", async () => {
    expect((await host({ namespace: "free" })).warnings).toEqual([]);
    await host({ user: { name: "trusted", groups: [] } });
    await host({}, { runtimeClassName: "kata" });
    const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
    const { warnings } = await admission.write(Namespaces, { metadata: { name: "free", labels } }, { name: "free" });
    expect(warnings).toEqual(
      [
        'namespace "free" is exempt from Pod Security, and the policy (enforce=restricted:latest, warn=restricted:latest) will be ignored',
      ].map((text) => text.replace(", warn=restricted:latest", "")),
    );
  });

  test("and labels annotate the audit event", async () => {
    const notes: Record<string, string> = {};
    const strict = new AdmissionHarness();
    strict.namespace("ns", { "pod-security.kubernetes.io/audit": "restricted" });
    await strict.pod({}, { annotate: (key, value) => (notes[key] = value) });
    expect(notes["pod-security.kubernetes.io/enforce-policy"]).toBe("privileged:latest");
    expect(notes["pod-security.kubernetes.io/audit-violations"]).toMatch(
      /^would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false/,
    );
  });

  test("warns of workloads by the level that is enforced, where no other is named", async () => {
    const strict = new AdmissionHarness();
    strict.namespace("ns", { "pod-security.kubernetes.io/enforce": "baseline" });
    const { Deployments } = await import("../../../../src/api/types/resources.ts");
    const template = { spec: { hostPID: true, containers: [{ name: "a", image: "x" }] } };
    const { warnings } = await strict.write(Deployments, {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "d" },
      spec: { template },
    });
    expect(warnings).toEqual(['would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)']);
  });

  test.each([
    [{ defaults: { enforce: "strict" } }, 'defaults.enforce: Unsupported value: "strict"'],
    [{ defaults: { "warn-version": "1.30" } }, "defaults.warn-version: Invalid value"],
    [{ exemptions: { namespaces: ["a", "a"] } }, 'exemptions.namespaces[1]: Duplicate value: "a"'],
    [{ default: {} }, 'unknown field "default"'],
  ])("is refused: %j", (wrong, why) => {
    expect(() => podSecuritySettings({ ...configuration, ...wrong })).toThrow(why);
  });
});
