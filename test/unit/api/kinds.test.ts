/** What the recorded answers in reference.test.ts do not show. */
import { describe, expect, it } from "vitest";
import { fromV1, toV1 } from "../../../src/api/autoscaling/conversion.ts";
import { checkSchedule, checkTimeZone, everyOf, plainSchedule } from "../../../src/api/batch/schedule.ts";
import { fromCoreEvent, toCoreEvent } from "../../../src/api/core/events-event.ts";
import { pullPolicyOf, qosClassOf } from "../../../src/api/core/pod-defaults.ts";
import { serviceRules } from "../../../src/api/core/service.ts";
import { rulesOf } from "../../../src/api/kinds.ts";
import { builtInResources } from "../../../src/api/resource.ts";
import type { HorizontalPodAutoscaler } from "../../../src/api/types/autoscaling.v2.ts";
import type { Event, Service } from "../../../src/api/types/core.v1.ts";

describe("the table of kinds", () => {
  it("gives every listable resource a row, and an unknown kind nothing", () => {
    const without = builtInResources().filter((info) => info.verbs.includes("list") && !rulesOf(info).cells);
    expect(without.map((info) => info.plural)).toEqual([]);
    expect(rulesOf({ group: "example.com", version: "v1", kind: "Thing" })).toEqual({});
  });
});

describe("pods", () => {
  it.each([
    ["nginx", "Always"],
    ["nginx:latest", "Always"],
    ["nginx:1.2", "IfNotPresent"],
    ["registry:5000/nginx", "Always"],
    ["registry:5000/nginx:1", "IfNotPresent"],
    ["nginx@sha256:abc", "IfNotPresent"],
    ["no image!", "IfNotPresent"],
    ["n".repeat(300), "IfNotPresent"],
  ])("pull %s %s", (image, policy) => expect(pullPolicyOf(image)).toBe(policy));

  const pod = rulesOf({ group: "", version: "v1", kind: "Pod" });
  const volume = (source: object): object => ({ volumes: [{ name: "v", ...source }] });
  const spread = { maxSkew: 1, topologyKey: "Not A Label!" };
  it.each([
    [{ imagePullSecrets: [{ name: "Bad!" }] }, ""],
    [{ topologySpreadConstraints: [{ ...spread, whenUnsatisfiable: "DoNotSchedule" }] }, ""],
    [{ topologySpreadConstraints: [spread] }, 'Unsupported value: "": supported values: "DoNotSchedule", "ScheduleAnyway"'],
    [{ securityContext: { fsGroupChangePolicy: "" } }, 'Unsupported value: "": supported values: "Always", "OnRootMismatch"'],
    [{ securityContext: { seccompProfile: { type: "Localhost", localhostProfile: "" } } }, ""],
    [volume({ iscsi: { targetPortal: "a", iqn: "x" } }), 'Invalid value: "x": must be valid format starting with iqn, eui, or naa'],
    [volume({ iscsi: { targetPortal: "a", iqn: "iqn.x" } }), 'Invalid value: "iqn.x": must be valid format'],
    [volume({ iscsi: { iqn: "iqn.2001-04.com.example:a", lun: 1 } }), "Required value"],
    [volume({ csi: { driver: "d".repeat(64) } }), "Too long: may not be more than 63 bytes"],
  ])("with %j are told %j", (spec, message) => {
    const object = { apiVersion: "v1", kind: "Pod", metadata: { name: "p" }, spec: { containers: [{ name: "c", image: "i" }], ...spec } };
    pod.default?.(object);
    const errors = pod.validate?.(object).map((error) => error.message) ?? ["no rules"];
    expect(errors.slice(0, 1)).toEqual(message ? [message] : []);
  });

  const full = { limits: { cpu: "1", memory: "1Gi" }, requests: { cpu: "1000m", memory: "1024Mi" } };
  it.each([
    ["Guaranteed", [full]],
    ["Burstable", [full, {}]],
    ["Burstable", [{ requests: { cpu: "1" } }]],
    ["BestEffort", [{}, { limits: { "nvidia.com/gpu": "1" } }]],
    ["BestEffort", [{ requests: { cpu: "0" } }]],
  ])("are %s with %j", (qos, resources) => {
    expect(qosClassOf({ containers: resources.map((r, i) => ({ name: `c${i}`, resources: r })) })).toBe(qos);
  });
});

describe("annotations for AppArmor", () => {
  const key = "container.apparmor.security.beta.kubernetes.io/a";
  const rules = rulesOf({ group: "", version: "v1", kind: "Pod" });
  const made = (text: string, spec: object = {}) => {
    const pod = {
      ...{ apiVersion: "v1", kind: "Pod", metadata: { name: "p", annotations: { [key]: text } } },
      spec: { containers: [{ name: "a", image: "i" }], ...spec },
    };
    rules.default?.(pod);
    rules.prepareForCreate?.(pod);
    const { securityContext } = pod.spec.containers[0] as { securityContext?: object };
    const faults = (rules.validate?.(pod) ?? []).filter(({ field }) => field.startsWith("metadata"));
    return { securityContext, warnings: rules.warnings?.(pod, undefined), faults: faults.map(({ message }) => message) };
  };
  const warnings = [`metadata.annotations[${key}]: deprecated since v1.30; use the "appArmorProfile" field instead`];

  it("become fields", () => {
    expect(made("localhost/deny-write")).toEqual({
      ...{ securityContext: { appArmorProfile: { type: "Localhost", localhostProfile: "deny-write" } }, warnings, faults: [] },
    });
    expect(made("runtime/default").securityContext).toEqual({ appArmorProfile: { type: "RuntimeDefault" } });
    expect(made("unconfined").securityContext).toEqual({ appArmorProfile: { type: "Unconfined" } });
    const own = { appArmorProfile: { type: "RuntimeDefault" } };
    expect(made("unconfined", { containers: [{ name: "a", image: "i", securityContext: own }] }).securityContext).toEqual(own);
  });

  it("must name a container and a profile", () => {
    expect(made("nonsense").faults).toEqual(['Invalid value: "nonsense": invalid AppArmor profile name: "nonsense"']);
    expect(made("unconfined", { containers: [{ name: "b", image: "i" }] }).faults).toEqual(['Invalid value: "a": container not found']);
  });
});

describe("schedules", () => {
  it.each(["* * * * *", "*/5 0-12 1,15 jan-mar mon-fri", "@daily", "@every 5m", "0/15 * * * ?"])("accept %j", (schedule) =>
    expect(checkSchedule(schedule)).toBeUndefined(),
  );
  it.each([
    ["* * * *", "expected exactly 5 fields, found 4: [* * * *]"],
    ["60 * * * *", "end of range (60) above maximum (59): 60"],
    ["* * 0 * *", "beginning of range (0) below minimum (1): 0"],
    ["5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"],
    ["*/0 * * * *", "step of range should be a positive number: */0"],
    ["x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'],
    ["@never", "unrecognized descriptor: @never"],
  ])("refuse %j", (schedule, why) => expect(checkSchedule(schedule)).toBe(why));

  it("are handed on as plain fields", () => {
    expect(plainSchedule("*/1 * * * ?")).toBe("*/1 * * * *");
    expect(plainSchedule("@hourly")).toBe("0 * * * *");
    expect(plainSchedule("5/15 2/3 * * *")).toBe("5-59/15 2-23/3 * * *");
    expect(plainSchedule("@every 5m")).toBeUndefined();
    expect(everyOf("@every 5m")).toBe("5m");
  });

  it("know time zones", () => {
    expect(checkTimeZone("Europe/Berlin")).toBeUndefined();
    expect(checkTimeZone("Etc/UTC")).toBeUndefined();
    expect(checkTimeZone("europe/berlin")).toBe("unknown time zone europe/berlin");
    expect(checkTimeZone("+01:00")).toBe("unknown time zone +01:00");
  });
});

describe("services", () => {
  const old = {
    spec: {
      type: "NodePort",
      clusterIP: "10.43.0.1",
      clusterIPs: ["10.43.0.1"],
      ipFamilies: ["IPv4"],
      ipFamilyPolicy: "SingleStack",
      externalTrafficPolicy: "Cluster",
      internalTrafficPolicy: "Cluster",
      ports: [{ port: 80, protocol: "TCP", nodePort: 30080 }],
    },
  };
  const changed = (spec: object): Service["spec"] => {
    const service = { spec } as Service;
    serviceRules.prepareForUpdate?.(service, old as Service);
    return service.spec;
  };

  it("keep what an update leaves out", () => {
    expect(changed({ type: "NodePort", ports: [{ port: 80, protocol: "TCP" }] })).toMatchObject({
      clusterIP: "10.43.0.1",
      clusterIPs: ["10.43.0.1"],
      ports: [{ port: 80, nodePort: 30080 }],
    });
  });

  it("drop what their new type does not use", () => {
    expect(changed({ ...structuredClone(old.spec), type: "ClusterIP" })).toMatchObject({ ports: [{ port: 80, protocol: "TCP" }] });
    expect(changed({ ...structuredClone(old.spec), type: "ClusterIP" }).ports?.[0]).not.toHaveProperty("nodePort");
    const external = changed({ ...structuredClone(old.spec), type: "ExternalName", externalName: "a.b" });
    expect(external).not.toHaveProperty("clusterIP");
    expect(external).not.toHaveProperty("clusterIPs");
  });
});

describe("versions of one object", () => {
  it("of an autoscaler keep what v1 cannot say", () => {
    const autoscaler: HorizontalPodAutoscaler = {
      apiVersion: "autoscaling/v2",
      kind: "HorizontalPodAutoscaler",
      metadata: { name: "a", namespace: "b", uid: "u", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" },
      spec: {
        scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "d" },
        minReplicas: 1,
        maxReplicas: 5,
        metrics: [
          { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 60 } } },
          { type: "Pods", pods: { metric: { name: "q" }, target: { type: "AverageValue", averageValue: "3" } } },
          {
            type: "Object",
            object: { metric: { name: "r" }, describedObject: { kind: "Ingress", name: "i" }, target: { type: "Value", value: "10" } },
          },
        ],
        behavior: { scaleDown: { selectPolicy: "Disabled" } },
      },
      status: { currentReplicas: 2, desiredReplicas: 3, conditions: [{ type: "AbleToScale", status: "True" }] },
    };
    const older = toV1(autoscaler);
    expect(older.spec.targetCPUUtilizationPercentage).toBe(60);
    expect(older.metadata.annotations?.["autoscaling.alpha.kubernetes.io/metrics"]).toContain('"targetAverageValue":"3"');
    expect(JSON.parse(JSON.stringify(fromV1(older)))).toEqual(autoscaler);
  });

  it("of an event are the same event under other names", () => {
    const event: Event = {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: "a", namespace: "b", uid: "u", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" },
      involvedObject: { kind: "Pod", name: "p" },
      message: "m",
      count: 2,
      reportingComponent: "c",
      reportingInstance: "i",
      source: { component: "c" },
    };
    const newer = fromCoreEvent(event);
    expect(newer).toMatchObject({ regarding: { name: "p" }, note: "m", deprecatedCount: 2, reportingController: "c" });
    expect(toCoreEvent(newer)).toMatchObject({ ...event });
  });
});

describe("warnings", () => {
  const kind = { group: "apps", version: "v1", kind: "Deployment" };
  const spec = {
    nodeSelector: { "beta.kubernetes.io/os": "linux" },
    hostAliases: [{ ip: "1.1.1.1" }, { ip: "1.1.1.1" }],
    imagePullSecrets: [{ name: "" }, { name: "x" }, { name: "x" }],
    terminationGracePeriodSeconds: -1,
    containers: [
      {
        name: "a",
        env: [{ name: "A" }, { name: "A" }],
        ports: [{ containerPort: 80 }, { containerPort: 80 }],
        resources: { limits: { memory: "100m" } },
      },
    ],
  };
  const deployment = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "a" }, spec: { template: { spec } } };

  it("name what the maker of a workload should mend, once", () => {
    const warnings = rulesOf(kind).warnings?.(deployment, undefined) ?? [];
    expect(warnings.map((warning) => warning.replace("spec.template.spec.", ""))).toEqual([
      'nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
      'hostAliases[1].ip: duplicate ip "1.1.1.1"',
      'imagePullSecrets[2].name: duplicate name "x"',
      'imagePullSecrets[0].name: invalid empty name ""',
      'containers[0].resources.limits[memory]: fractional byte value "100m" is invalid, must be an integer',
      'containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
      "containers[0].ports[1]: duplicate port definition with spec.template.spec.containers[0].ports[0]",
      "terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1",
    ]);
    expect(rulesOf(kind).warnings?.(deployment, structuredClone(deployment))).toEqual([]);
  });
});
