import { beforeEach, describe, expect, test } from "vitest";
import { describeViolations, securityViolations } from "../../../../src/api/core/pod-security.ts";
import type { PodSpec } from "../../../../src/api/types/core.v1.ts";
import { Deployments, Namespaces, Pods } from "../../../../src/api/types/resources.ts";
import { AdmissionHarness } from "./harness.ts";

let admission: AdmissionHarness;
beforeEach(() => {
  admission = new AdmissionHarness();
});
const label = "pod-security.kubernetes.io/";
const fine: PodSpec = {
  securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
  containers: [{ name: "a", image: "x", securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } } }],
};

describe("violations, as kube-apiserver 1.36 words them", () => {
  const spec = (containers: object[], more: object = {}) =>
    ({ containers: containers.map((c) => ({ image: "x", ...c })), ...more }) as PodSpec;
  const restrictedTail =
    'allowPrivilegeEscalation != false (containers "a", "b" must set securityContext.allowPrivilegeEscalation=false), ' +
    'unrestricted capabilities (containers "a", "b" must set securityContext.capabilities.drop=["ALL"]), ' +
    'runAsNonRoot != true (pod or containers "a", "b" must set securityContext.runAsNonRoot=true), ' +
    'seccompProfile (pod or containers "a", "b" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")';

  test.each<{ spec: PodSpec; annotations?: Record<string, string>; restricted: string; baseline?: string }>([
    { spec: fine, restricted: "" },
    { spec: spec([{ name: "a" }, { name: "b" }]), restricted: restrictedTail, baseline: "" },
    {
      spec: spec([
        { name: "a" },
        { name: "b", securityContext: { privileged: true }, livenessProbe: { tcpSocket: { port: 80, host: "1.2.3.4" } } },
      ]),
      restricted:
        'probe or lifecycle host (container "b" uses probe or lifecycle host "1.2.3.4"), ' +
        `privileged (container "b" must not set securityContext.privileged=true), ${restrictedTail}`,
    },
    {
      spec: spec(
        [
          {
            name: "a",
            securityContext: {
              runAsNonRoot: true,
              appArmorProfile: { type: "Unconfined" },
              seccompProfile: { type: "Unconfined" },
              capabilities: { drop: ["ALL"], add: ["CHOWN"] },
            },
          },
          { name: "b", securityContext: { seLinuxOptions: { type: "bar", user: "x" } } },
        ],
        {
          securityContext: {
            runAsUser: 0,
            sysctls: [
              { name: "kernel.msgmax", value: "1" },
              { name: "net.foo", value: "1" },
            ],
            seccompProfile: { type: "RuntimeDefault" },
          },
        },
      ),
      annotations: { "container.apparmor.security.beta.kubernetes.io/a": "unconfined" },
      restricted:
        'forbidden AppArmor profiles (container "a" and annotation must not set AppArmor profile type to "Unconfined", "container.apparmor.security.beta.kubernetes.io/a="unconfined""), ' +
        'seLinuxOptions (container "b" set forbidden securityContext.seLinuxOptions: type "bar"; user may not be set), ' +
        "forbidden sysctls (kernel.msgmax, net.foo), " +
        'allowPrivilegeEscalation != false (containers "a", "b" must set securityContext.allowPrivilegeEscalation=false), ' +
        'unrestricted capabilities (container "b" must set securityContext.capabilities.drop=["ALL"]; container "a" must not include "CHOWN" in securityContext.capabilities.add), ' +
        'runAsNonRoot != true (pod or container "b" must set securityContext.runAsNonRoot=true), ' +
        "runAsUser=0 (pod must not set runAsUser=0), " +
        'seccompProfile (container "a" must not set securityContext.seccompProfile.type to "Unconfined")',
    },
    {
      spec: {
        ...fine,
        hostNetwork: true,
        hostPID: true,
        volumes: [
          { name: "h", hostPath: { path: "/" } },
          { name: "n", nfs: { server: "s", path: "/" } },
          { name: "c", configMap: { name: "c" } },
        ],
      },
      baseline: 'host namespaces (hostNetwork=true, hostPID=true), hostPath volumes (volume "h")',
      restricted:
        "host namespaces (hostNetwork=true, hostPID=true), " +
        'restricted volume types (volumes "h", "n" use restricted volume types "hostPath", "nfs")',
    },
    {
      spec: spec([
        { name: "a", ports: [{ hostPort: 81 }, { hostPort: 80 }], securityContext: { capabilities: { add: ["NET_ADMIN", "CHOWN"] } } },
        { name: "b", securityContext: { procMount: "Unmasked" } },
      ]),
      baseline:
        'non-default capabilities (container "a" must not include "NET_ADMIN" in securityContext.capabilities.add), ' +
        'hostPort (container "a" uses hostPorts 80, 81), ' +
        'procMount (container "b" must not set securityContext.procMount to "Unmasked")',
      restricted: expect.stringContaining(
        'container "a" must not include "CHOWN", "NET_ADMIN" in securityContext.capabilities.add',
      ) as unknown as string,
    },
  ])("%#", ({ spec, annotations, restricted, baseline }) => {
    const pod = { metadata: { annotations }, spec };
    expect(describeViolations(securityViolations("restricted", pod))).toEqual(restricted);
    if (baseline !== undefined) expect(describeViolations(securityViolations("baseline", pod))).toBe(baseline);
    expect(securityViolations("privileged", pod)).toEqual([]);
  });
});

describe("a level as of an earlier version", () => {
  const reasons = (level: "baseline" | "restricted", minor: number | undefined, spec: object, annotations?: Record<string, string>) => {
    const containers = [{ name: "a", image: "x" }];
    const pod = { metadata: { annotations }, spec: { containers, ...spec } as PodSpec };
    return securityViolations(level, pod, minor).map(({ reason }) => reason);
  };
  const container = (more: object) => ({ containers: [{ name: "a", image: "x", ...more }] });
  const sysctl = (name: string) => ({ securityContext: { sysctls: [{ name, value: "1" }] } });
  const others = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };
  const seccompProfile = { type: "RuntimeDefault" };

  // The version from which on a pod is refused, and from which on it no longer is, as k8s.io/pod-security-admission has it.
  test.each<[string, "baseline" | "restricted", object, refused: number[], allowed: number[], string, Record<string, string>?]>([
    [
      "probe hosts",
      "baseline",
      container({ livenessProbe: { tcpSocket: { port: 80, host: "1.2.3.4" } } }),
      [34, 36],
      [33],
      "probe or lifecycle host",
    ],
    ["reserved ports", "baseline", sysctl("net.ipv4.ip_local_reserved_ports"), [26], [27, 36], "forbidden sysctls"],
    ["keepalive", "baseline", sysctl("net.ipv4.tcp_keepalive_time"), [28], [29], "forbidden sysctls"],
    ["TCP memory", "baseline", sysctl("net.ipv4.tcp_rmem"), [31], [32], "forbidden sysctls"],
    ["unknown sysctls", "baseline", sysctl("kernel.msgmax"), [0, 36], [], "forbidden sysctls"],
    [
      "SELinux's engine type",
      "baseline",
      { securityContext: { seLinuxOptions: { type: "container_engine_t" } } },
      [30],
      [31],
      "seLinuxOptions",
    ],
    [
      "proc in a user namespace",
      "baseline",
      { hostUsers: false, ...container({ securityContext: { procMount: "Unmasked" } }) },
      [34],
      [35],
      "procMount",
    ],
    [
      "the same",
      "restricted",
      { hostUsers: false, ...container({ securityContext: { procMount: "Unmasked" } }) },
      [34, 35, 36],
      [],
      "procMount",
    ],
    ["seccomp's annotation", "baseline", {}, [0, 18], [19], "seccompProfile", { "seccomp.security.alpha.kubernetes.io/pod": "unconfined" }],
    ["seccomp's field", "baseline", { securityContext: { seccompProfile: { type: "Unconfined" } } }, [19], [18], "seccompProfile"],
    ["no seccomp", "restricted", {}, [19, 36], [18], "seccompProfile"],
    ["privilege escalation", "restricted", {}, [8], [7], "allowPrivilegeEscalation != false"],
    ["capabilities", "restricted", {}, [22], [21], "unrestricted capabilities"],
    [
      "baseline's capabilities",
      "restricted",
      container({ securityContext: { capabilities: { add: ["NET_ADMIN"] } } }),
      [21],
      [22],
      "non-default capabilities",
    ],
    ["root", "restricted", { securityContext: { runAsUser: 0 } }, [23], [22], "runAsUser=0"],
    ["root in a user namespace", "restricted", { hostUsers: false, securityContext: { runAsUser: 0 } }, [34], [35], "runAsUser=0"],
    ["nobody said who, in a user namespace", "restricted", { hostUsers: false }, [0, 34], [35], "runAsNonRoot != true"],
    ["Windows", "restricted", { os: { name: "windows" } }, [24], [25], "unrestricted capabilities"],
  ])("%s, %s", (_, level, spec, refused, allowed, reason, annotations) => {
    for (const minor of refused) expect(reasons(level, minor, spec, annotations)).toContain(reason);
    for (const minor of allowed) expect(reasons(level, minor, spec, annotations)).not.toContain(reason);
  });

  test("a pod's runAsNonRoot=false counts also where its containers say true", () => {
    const pod = {
      securityContext: { runAsNonRoot: false, seccompProfile },
      ...container({ securityContext: { runAsNonRoot: true, ...others } }),
    };
    expect(reasons("restricted", undefined, pod)).toEqual(["runAsNonRoot != true"]);
  });

  test("is what the namespace's label asks for", async () => {
    const hosts = { livenessProbe: { tcpSocket: { port: 80, host: "1.2.3.4" } } };
    const spec = { containers: [{ name: "a", image: "x", ...hosts }] };
    for (const [version, message] of [
      ["v1.34", 'violates PodSecurity "baseline:v1.34": probe or lifecycle host'],
      ["v1.99", 'violates PodSecurity "baseline:v1.99": probe or lifecycle host'],
    ] as const) {
      admission.namespace("ns", { [`${label}enforce`]: "baseline", [`${label}enforce-version`]: version });
      await expect(admission.pod(spec)).rejects.toThrow(message);
    }
    admission.namespace("ns", { [`${label}enforce`]: "baseline", [`${label}enforce-version`]: "v1.33" });
    await admission.pod(spec);
  });
});

test("enforce refuses pods, and lets good ones and workloads through", async () => {
  admission.namespace("ns", { [`${label}enforce`]: "restricted" });
  await expect(admission.pod()).rejects.toThrow(
    'pods "p" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false',
  );
  await admission.pod(fine);
  const template = { metadata: {}, spec: { containers: [{ name: "a", image: "x" }] } };
  const { warnings } = await admission.write(Deployments, { kind: "Deployment", metadata: { name: "d" }, spec: { template } });
  // Who enforces a level hears of workloads whose pods will not be let in.
  expect(warnings).toEqual([expect.stringContaining('would violate PodSecurity "restricted:latest"')]);
});

test("warn warns about pods and workloads", async () => {
  admission.namespace("ns", { [`${label}warn`]: "baseline", [`${label}warn-version`]: "v1.30" });
  const spec = { hostNetwork: true, containers: [{ name: "a", image: "x" }] };
  const text = 'would violate PodSecurity "baseline:v1.30": host namespaces (hostNetwork=true)';
  expect((await admission.pod(spec)).warnings).toEqual([text]);
  const workload = await admission.write(Deployments, {
    kind: "Deployment",
    metadata: { name: "d" },
    spec: { template: { metadata: {}, spec } },
  });
  expect(workload.warnings).toEqual([text]);
});

test("raising a namespace's level names the pods that would not fit", async () => {
  const spec = { hostNetwork: true, containers: [{ name: "a", image: "x" }] };
  for (const name of ["p", "p2"]) admission.objects.put(Pods, { metadata: { namespace: "ns", name }, spec });
  const old = { apiVersion: "v1", kind: "Namespace", metadata: { name: "ns" } };
  const update = (enforce: string) =>
    admission.write(
      Namespaces,
      { metadata: { name: "ns", labels: { [`${label}enforce`]: enforce } } },
      { operation: "UPDATE", old, name: "ns" },
    );
  expect((await update("baseline")).warnings).toEqual([
    'existing pods in namespace "ns" violate the new PodSecurity enforce level "baseline:latest"',
    "p (and 1 other pod): host namespaces",
  ]);
  await expect(update("foo")).rejects.toThrow(
    'Namespace "ns" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "foo": must be one of privileged, baseline, restricted',
  );
});
