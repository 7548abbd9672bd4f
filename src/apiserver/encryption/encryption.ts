import { readFile } from "node:fs/promises";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { Sealed, Sealing, Unsealed } from "../../store/sealed-log.ts";
import type { Key, Store } from "../../store/store.ts";
import { FollowedFile } from "../configuration/followed-file.ts";
import type { HealthCheck } from "../health.ts";
import { family } from "../metrics.ts";
import type { Registry } from "../registry.ts";
import { keyProviders } from "./ciphers.ts";
import { covers, readEncryptionConfiguration, type ResourceConfiguration } from "./configuration.ts";
import { KmsProvider } from "./kms.ts";
import { identity, type Provider } from "./provider.ts";

/** What encryption at rest needs. */
export interface EncryptionOptions {
  /** The EncryptionConfiguration's file. */
  path: string;
  /** Whether its changes are taken over while the server runs. */
  reload: boolean;
  clock: Clock;
  log: Logger;
}

/** A configuration with its providers at work. */
type Working = readonly { entry: ResourceConfiguration; providers: readonly Provider[] }[];

/** Encryption at rest by an EncryptionConfiguration: which resources are written with which keys. See "Encrypting Confidential Data at Rest". */
export class Encryption implements Sealing {
  private readonly path: string;
  private readonly file: FollowedFile;
  private working: Working;
  private readonly byResource = new Map<string, readonly Provider[]>();
  private inUse: () => Iterable<Sealed> = () => [];

  /** Rejects with one sentence when the file cannot be used. */
  static async start(options: EncryptionOptions): Promise<Encryption> {
    const { path, clock } = options;
    try {
      const text = await readFile(path, "utf8");
      const file = new FollowedFile({ ...options, of: "encryption" }, text);
      const encryption = new Encryption(path, file, await load(text, clock));
      if (options.reload) file.follow(async (changed) => encryption.takeOver(await load(changed, clock)));
      return encryption;
    } catch (error) {
      throw new Error(`--encryption-provider-config: ${path}: ${error instanceof Error ? error.message : error}`);
    }
  }

  private constructor(path: string, file: FollowedFile, working: Working) {
    this.path = path;
    this.file = file;
    this.working = working;
  }

  writer(resource: string): string {
    return this.providers(resource)[0]?.writer ?? "";
  }

  seal(key: Key, text: string): string {
    const provider = this.providers(key.resource)[0] ?? identity;
    return provider.prefix + provider.seal(text, placeOf(key));
  }

  unseal(key: Key, stored: string): Promise<Unsealed> | Unsealed {
    const prefix = /^k8s:enc:[a-z]+:v[12]:[^:]*:/.exec(stored)?.[0] ?? "";
    const provider = this.providers(key.resource).find((one) => (one.prefix ? stored.startsWith(one.prefix) : prefix === ""));
    if (!provider)
      throw new Error(
        prefix
          ? `${this.path} has no provider for "${prefix}"; add the key or plugin that it was written with`
          : `it is plain text, and ${this.path} has no provider identity: {} for it; add one at the end`,
      );
    const failed = (error: unknown): never => {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`the provider of "${prefix}" in ${this.path} cannot open it (${why}); give the key that it was written with`);
    };
    try {
      const opened = provider.open(stored.slice(provider.prefix.length), placeOf(key));
      return opened instanceof Promise ? opened.catch(failed) : opened;
    } catch (error) {
      return failed(error);
    }
  }

  refusal(resource: string): string | undefined {
    return this.providers(resource)[0]?.refusal?.();
  }

  follow(inUse: () => Iterable<Sealed>): void {
    this.inUse = inUse;
  }

  private providers(resource: string): readonly Provider[] {
    let providers = this.byResource.get(resource);
    if (!providers) this.byResource.set(resource, (providers = providersOf(this.working, resource)));
    return providers;
  }

  /** Whether all KMS plugins are well: /healthz/kms-providers. */
  get healthCheck(): HealthCheck {
    return {
      name: "kms-providers",
      check: () =>
        this.working
          .flatMap(({ providers }) => providers)
          .map((provider) => provider.problem?.())
          .find((problem) => problem !== undefined),
    };
  }

  /** What /metrics shows of it, and of what the store has. */
  metrics(store: Store, registry: Registry): string[] {
    const stale = registry
      .groupVersions()
      .flatMap((groupVersion) => registry.resources(groupVersion))
      .filter(({ virtual }) => !virtual)
      .map(({ storage }) => store.list({ resource: storage, match: (object) => store.isStale(object) }).objects.length)
      .reduce((sum, count) => sum + count, 0);
    return [
      family("hue_encryption_stale_objects", "gauge", "Objects that a write would encrypt with another key than they are.", [[{}, stale]]),
      ...this.file.metrics(),
    ];
  }

  close(): void {
    this.file.close();
    closeAll(this.working);
  }

  private takeOver(fresh: Working): void {
    const why = this.problemWith(fresh);
    if (why) {
      closeAll(fresh);
      throw new Error(why);
    }
    const old = this.working;
    this.working = fresh;
    this.byResource.clear();
    closeAll(old);
  }

  /** With it the server must be able to write, and the next one to read what is there. */
  private problemWith(fresh: Working): string | undefined {
    for (const { providers } of fresh) for (const one of providers) if (one.problem?.()) return one.problem();
    for (const { resource, writer } of this.inUse())
      if (!providersOf(fresh, resource).some((provider) => provider.reads(writer))) {
        const prefix = writer.slice(0, writer.lastIndexOf(":") + 1);
        return `objects of ${resource} are still encrypted with "${prefix}", which it does not have: rewrite them first`;
      }
    return undefined;
  }
}

/** What the value is bound to. */
function placeOf({ resource, namespace, name }: Key): string {
  return `${resource}/${namespace}/${name}`;
}

function providersOf(entries: Working, resource: string): readonly Provider[] {
  return entries.find(({ entry }) => covers(entry, resource))?.providers ?? [identity];
}

function closeAll(entries: Working): void {
  for (const { providers } of entries) for (const provider of providers) provider.close?.();
}

/** Starts the providers that the file's text names. */
async function load(text: string, clock: Clock): Promise<Working> {
  const entries: { entry: ResourceConfiguration; providers: Provider[] }[] = [];
  for (const entry of readEncryptionConfiguration(text)) {
    const providers: Provider[] = [];
    for (const one of entry.providers) {
      if (one.type === "identity") providers.push(identity);
      else if (one.type === "kms") providers.push(await KmsProvider.start(one, clock));
      else providers.push(...(await keyProviders(one)));
    }
    entries.push({ entry, providers });
  }
  return entries;
}
