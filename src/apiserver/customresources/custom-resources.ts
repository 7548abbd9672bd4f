import { isReason } from "../../api/errors.ts";
import { deepEqual } from "../../api/meta/equality.ts";
import type { KubeObject } from "../../api/meta/object.ts";
import { CustomResourceDefinitions } from "../../api/types/resources.ts";
import type { CustomResourceDefinition } from "../../api/types/apiextensions.v1.ts";
import { customResource } from "../../api/schema/openapi-custom.ts";
import type { ExtraResource } from "../../api/schema/openapi-documents.ts";
import type { Logger } from "../../lib/log.ts";
import type { StoreWatch } from "../../store/store.ts";
import { SecureAgents } from "../backends/secure-agents.ts";
import type { Call } from "../call.ts";
import type { Objects } from "../objects.ts";
import { copyOf, typed, untyped } from "../plain-data.ts";
import type { Registry } from "../registry.ts";
import type { ResourceHandler } from "../resource-handler.ts";
import { systemUser } from "../subresources/eviction.ts";
import { changeObject } from "../verbs/change.ts";
import { timestamp, type VerbContext } from "../verbs/context.ts";
import { deleteCollection } from "../verbs/delete-collection.ts";
import { type Convert, conversionOf } from "./conversion.ts";
import { cleanupFinalizer, completeDefinition, setConditions } from "./definition-hooks.ts";
import { customHandler } from "./handler.ts";
import { isTrue } from "./names.ts";

/** What serving custom resources needs of the server. */
export interface CustomResourceParts {
  context: VerbContext;
  registry: Registry;
  objects: Objects;
  log: Logger;
  /** 0 to 1; chooses among the endpoints of a webhook's Service. */
  random: () => number;
}

/** One served version with its part of the OpenAPI documents. */
interface Served {
  handler: ResourceHandler;
  openapi: ExtraResource;
}

/** Serves the resources of CustomResourceDefinitions from the moment that they are committed, and clears up after deleted ones. */
export class CustomResources {
  private readonly parts: CustomResourceParts;
  private readonly served = new Map<string, Served[]>();
  private readonly terminating = new Set<string>();
  private readonly cleanups = new Map<string, StoreWatch | undefined>();
  private readonly agents = new SecureAgents();
  private readonly stop: () => void;

  constructor(parts: CustomResourceParts) {
    this.parts = parts;
    this.stop = parts.objects.onChange(CustomResourceDefinitions, (now, old) => this.changed(now, old));
  }

  /** All custom resources as OpenAPI shows them. */
  openapi(): ExtraResource[] {
    return [...this.served.values()].flat().map(({ openapi }) => openapi);
  }

  close(): void {
    this.stop();
    for (const watch of this.cleanups.values()) watch?.stop();
    this.cleanups.clear();
    this.agents.close();
  }

  private changed(now: CustomResourceDefinition | undefined, old: CustomResourceDefinition | undefined): void {
    const name = (now ?? old)?.metadata.name ?? "";
    if (now?.metadata.deletionTimestamp) this.terminating.add(name);
    else this.terminating.delete(name);
    if (!now || !old || !deepEqual(now.spec, old.spec) || !deepEqual(now.status, old.status)) this.serve(name, now);
    if (now?.metadata.deletionTimestamp && now.metadata.finalizers?.includes(cleanupFinalizer)) this.cleanUp(name, now);
    if (!now) {
      this.cleanups.get(name)?.stop();
      this.cleanups.delete(name);
      this.reconsider(old?.spec.group ?? "");
    }
  }

  private serve(name: string, definition: CustomResourceDefinition | undefined): void {
    const { registry, log } = this.parts;
    const before = this.served.get(name) ?? [];
    const serving: Served[] = [];
    const convert = definition && this.conversionOf(definition);
    if (definition && isTrue(definition, "Established"))
      for (const version of definition.spec.versions) {
        if (!version.served) continue;
        try {
          const handler = customHandler(definition, version, () => this.terminating.has(name), convert);
          serving.push({
            handler,
            openapi: customResource(handler.info, handler.listKind, version.schema?.openAPIV3Schema, version.selectableFields),
          });
        } catch (error) {
          log.error({ definition: name, version: version.name, error: String(error) }, "a custom resource cannot be served");
        }
      }
    for (const { handler } of before) registry.remove(handler.info.groupVersion, handler.info.plural);
    for (const { handler } of serving) registry.add(handler);
    if (serving.length > 0) this.served.set(name, serving);
    else this.served.delete(name);
  }

  private conversionOf(definition: CustomResourceDefinition): Convert | undefined {
    const { objects, random, context } = this.parts;
    return conversionOf(definition, { objects, random, agents: this.agents, newUid: context.newUid });
  }

  /** Names of a definition that went are free: others in its group may have waited for them. */
  private reconsider(group: string): void {
    for (const definition of this.parts.objects.list(CustomResourceDefinitions)) {
      if (definition.spec.group !== group || isTrue(definition, "NamesAccepted")) continue;
      this.background("names", this.rename(definition.metadata.name ?? ""));
    }
  }

  private async rename(name: string): Promise<void> {
    const { context, objects } = this.parts;
    await changeObject(context, this.definitionCall(name, "status"), {
      next(old) {
        const definition = typed<CustomResourceDefinition>(copyOf<KubeObject>(old));
        completeDefinition(definition, objects.list(CustomResourceDefinitions), timestamp(context.clock.now()));
        return definition;
      },
      finish: () => {},
      validate: () => [],
    });
  }

  /** Deletes all objects; when the last is gone, the definition may go. */
  private cleanUp(name: string, definition: CustomResourceDefinition): void {
    if (this.cleanups.has(name)) return;
    this.cleanups.set(name, undefined);
    const { context } = this.parts;
    const { group, names } = definition.spec;
    const storage = `${group}/${definition.status.acceptedNames?.plural ?? names.plural}`;
    const finishWhenEmpty = (): void => {
      if (context.store.count(storage) === 0) this.background("cleanup", this.release(name));
    };
    this.cleanups.set(name, context.store.watch({ resource: storage, from: context.store.revision }, finishWhenEmpty));
    // In the version that is stored: there may be nobody left who could convert to another one.
    const version = definition.spec.versions.find((one) => one.storage);
    if (context.store.count(storage) > 0) this.background("cleanup", this.tellProgress(name));
    const clearing = version
      ? this.deleteAll(customHandler(definition, version, () => true, this.conversionOf(definition)))
      : Promise.resolve();
    this.background("cleanup", clearing.then(finishWhenEmpty));
  }

  private async deleteAll(handler: ResourceHandler): Promise<void> {
    const call: Call = { handler, namespace: "", name: "", subresource: "", user: systemUser, dryRun: false, warn: () => {} };
    await deleteCollection(this.parts.context, call, {}, {});
  }

  private async tellProgress(name: string): Promise<void> {
    const { context } = this.parts;
    await changeObject(context, this.definitionCall(name, "status"), {
      next(old) {
        const definition = typed<CustomResourceDefinition>(copyOf<KubeObject>(old));
        const message = "CustomResource deletion is in progress";
        setConditions(definition, timestamp(context.clock.now()), [
          { type: "Terminating", status: "True", reason: "InstanceDeletionInProgress", message },
        ]);
        return untyped(definition);
      },
      finish: () => {},
      validate: () => [],
    });
  }

  private async release(name: string): Promise<void> {
    await changeObject(this.parts.context, this.definitionCall(name, "status"), {
      next(old) {
        const definition = copyOf<KubeObject>(old);
        definition.metadata.finalizers = definition.metadata.finalizers?.filter((finalizer) => finalizer !== cleanupFinalizer);
        return definition;
      },
      finish: () => {},
      validate: () => [],
    });
  }

  private definitionCall(name: string, subresource: string): Call {
    const handler = this.parts.registry.get("apiextensions.k8s.io/v1", "customresourcedefinitions");
    return { handler, namespace: "", name, subresource, user: systemUser, dryRun: false, warn: () => {} };
  }

  /** Work that nobody waits for: its failure is told once. What is gone meanwhile is no failure. */
  private background(what: string, work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!isReason(error, "NotFound")) this.parts.log.error({ what, error: String(error) }, "custom resources: background work failed");
    });
  }
}
