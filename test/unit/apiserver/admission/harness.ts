import type { KubeObject } from "../../../../src/api/meta/object.ts";
import type { ResourceInfo } from "../../../../src/api/resource.ts";
import type { Pod, PodSpec } from "../../../../src/api/types/core.v1.ts";
import { Namespaces, Pods, ServiceAccounts } from "../../../../src/api/types/resources.ts";
import type { RequestAttributes } from "../../../../src/api/user.ts";
import type { AdmissionPlugin, AdmissionRequest } from "../../../../src/apiserver/admission/admission.ts";
import { type AdmissionOptions, createAdmission } from "../../../../src/apiserver/admission/index.ts";
import { Registry } from "../../../../src/apiserver/registry.ts";
import { FakeClock } from "../../../../src/lib/clock.ts";
import { MemoryObjects } from "../memory-objects.ts";

/** What became of a write: the object as admitted, the warnings, and how to tell that it failed after all. */
export interface Admitted<T> {
  object: T;
  warnings: string[];
  fail(): void;
}

/** Admission over objects in memory, with the namespace ns and its default account. */
export class AdmissionHarness {
  readonly objects = new MemoryObjects();
  readonly clock = new FakeClock();
  readonly registry = new Registry();
  /** Who may what; nobody anything at first. */
  isAllowed: (attributes: RequestAttributes) => boolean = () => false;
  private readonly plugins: AdmissionPlugin[];

  /** With further options of admission: plugins that are added or disabled, settings. */
  constructor(options: Partial<AdmissionOptions> = {}) {
    this.plugins = createAdmission({
      objects: this.objects,
      clock: this.clock,
      nameSuffix: () => "abcde",
      isAllowed: (attributes) => this.isAllowed(attributes),
      registry: () => this.registry,
      ...options,
    });
    this.namespace("ns");
    this.objects.put(ServiceAccounts, { metadata: { namespace: "ns", name: "default" } });
  }

  namespace(name: string, labels: Record<string, string> = {}, status: object = { phase: "Active" }): void {
    this.objects.put(Namespaces, { metadata: { name, labels }, status });
  }

  /** Runs all plugins over a write as the API server does. */
  async write<T = KubeObject>(
    resource: ResourceInfo,
    object: object | undefined,
    more: Partial<AdmissionRequest> = {},
  ): Promise<Admitted<T>> {
    const warnings: string[] = [];
    const undo: (() => void)[] = [];
    const given = structuredClone(object) as KubeObject | undefined;
    const request: AdmissionRequest = {
      operation: "CREATE",
      resource,
      subresource: "",
      namespace: resource.namespaced ? "ns" : "",
      name: given?.metadata.name ?? "",
      object: given,
      old: undefined,
      user: { name: "joe", groups: ["system:authenticated"] },
      dryRun: false,
      warn: (message) => warnings.push(message),
      onFailure: (fn) => undo.push(fn),
      ...more,
    };
    if (request.object && resource.namespaced) request.object.metadata.namespace ??= request.namespace;
    const fail = (): void => {
      for (const fn of undo) fn();
    };
    const whole = resource.group ? `${resource.plural}.${resource.group}` : resource.plural;
    const plugins = this.plugins.filter(({ resources }) => !resources || resources.includes(whole));
    for (const plugin of plugins) await plugin.admit?.(request);
    for (const plugin of plugins) await plugin.validate?.(request);
    return { object: request.object as T, warnings, fail }; // The caller knows what it gave.
  }

  /** Creates a pod of one container "a", given more of its spec. */
  pod(spec: Partial<PodSpec> = {}, more: Partial<AdmissionRequest> = {}): Promise<Admitted<Pod>> {
    return this.write<Pod>(Pods, { metadata: { name: "p" }, spec: { containers: [{ name: "a", image: "x" }], ...spec } }, more);
  }
}
