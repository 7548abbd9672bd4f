import { randomBytes, randomUUID } from "node:crypto";
import { message } from "../../api/schema/wire.ts";
import { BoundedMap } from "../../lib/bounded-map.ts";
import type { Clock } from "../../lib/clock.ts";
import { aesGcm, aesGcmOfSeed } from "./ciphers.ts";
import { annotationFields, annotationsOf, bytesOf, KmsClient, type KmsSealed, readFields, textOf } from "./kms-client.ts";
import type { Opened, Provider } from "./provider.ts";

/** Milliseconds between two questions for the plugin's state, when it is well and when not. */
const interval = 60_000;
const retryInterval = 10_000;
/** For so many milliseconds after the last good answer values are written with the seed at hand. */
const coast = 180_000;
/** Of EncryptedDEKSourceType: the source is a seed, and not a key itself. */
const isSeed = 1;

type Cipher = ReturnType<typeof aesGcm>;

/** What values are written with now: a seed of this process, and its form for the disk, which only the plugin can open. */
interface Seed {
  cipher: Cipher;
  sealed: KmsSealed;
  /** Milliseconds since 1970. */
  expires: number;
}

/**
 * A KMS v2 plugin (KEP-3299): it encrypts one seed for each of its keys; values are encrypted here, with keys made of the seed. The plugin
 * is asked for its state each minute; when its key has changed, a new seed is made, and older values are stale.
 */
export class KmsProvider implements Provider {
  readonly prefix: string;
  private readonly client: KmsClient;
  private readonly clock: Clock;
  private readonly name: string;
  private seed: Seed | undefined;
  private failure: string | undefined = "not asked yet";
  private cancel: (() => void) | undefined;
  private closed = false;
  /** By the seed's form on the disk. */
  private readonly opened = new BoundedMap<string, Promise<Cipher>>(1000);

  /** Resolves when the plugin has been asked once, whatever it says. */
  static async start(options: { name: string; socket: string; timeout: number }, clock: Clock): Promise<KmsProvider> {
    const provider = new KmsProvider(options, clock);
    await provider.ask();
    return provider;
  }

  private constructor({ name, socket, timeout }: { name: string; socket: string; timeout: number }, clock: Clock) {
    this.name = name;
    this.prefix = `k8s:enc:kms:v2:${name}:`;
    this.client = new KmsClient(socket, timeout);
    this.clock = clock;
  }

  get writer(): string {
    return this.prefix + (this.seed?.sealed.keyId ?? "");
  }

  reads(writer: string): boolean {
    return writer.startsWith(this.prefix);
  }

  seal(text: string, place: string): string {
    if (!this.seed) throw new Error(this.refusal());
    const { cipher, sealed } = this.seed;
    return message([
      [1, cipher.encrypt(Buffer.from(text), place)],
      [2, sealed.keyId],
      [3, sealed.ciphertext],
      ...annotationFields(4, sealed.annotations),
      [5, isSeed],
    ]).toString("base64");
  }

  async open(stored: string, place: string): Promise<Opened> {
    const fields = readFields(Buffer.from(stored, "base64"));
    const sealed: KmsSealed = { ciphertext: bytesOf(fields, 3), keyId: textOf(fields, 2), annotations: annotationsOf(fields, 4) };
    const cipher = await this.cipherOf(sealed, textOf(fields, 5) === String(isSeed));
    return { text: cipher.decrypt(bytesOf(fields, 1), place).toString(), writer: this.prefix + sealed.keyId };
  }

  private cipherOf(sealed: KmsSealed, ofSeed: boolean): Promise<Cipher> {
    const id = `${sealed.keyId} ${ofSeed} ${sealed.ciphertext.toString("base64")}`;
    let cipher = this.opened.get(id);
    if (!cipher) {
      cipher = this.client.decrypt(sealed, randomUUID()).then(ofSeed ? aesGcmOfSeed : aesGcm);
      this.opened.set(id, cipher);
      // Not asked again for each of thousands of values that need the same.
      cipher.catch(() => this.clock.after(retryInterval, () => this.opened.delete(id)));
    }
    return cipher;
  }

  refusal(): string | undefined {
    if (!this.seed) return `KMS provider ${this.name} has given no key yet: ${this.failure}`;
    if (this.clock.now() <= this.seed.expires) return undefined;
    return `the seed of KMS provider ${this.name} expired at ${new Date(this.seed.expires).toISOString()}: ${this.failure}`;
  }

  problem(): string | undefined {
    return this.failure;
  }

  close(): void {
    this.closed = true;
    this.cancel?.();
    this.client.close();
  }

  private async ask(): Promise<void> {
    this.failure = await this.renew().then(
      () => undefined,
      (error: Error) => error.message,
    );
    if (!this.closed) this.cancel = this.clock.after(this.failure === undefined ? interval : retryInterval, () => void this.ask());
  }

  /** Asks for the state, and makes a new seed when the plugin has another key now. Throws why it is not well. */
  private async renew(): Promise<void> {
    const expires = this.clock.now() + coast;
    const { version, healthz, keyId } = await this.client.status();
    if (healthz !== "ok") throw new Error(`got unexpected healthz status: ${healthz}`);
    if (version !== "v2" && version !== "v2beta1") throw new Error(`expected KMSv2 API version v2, got ${version}`);
    checkKeyId(keyId);
    if (this.seed?.sealed.keyId === keyId) {
      this.seed.expires = expires;
      return;
    }
    const seed = randomBytes(32);
    const sealed = await this.client.encrypt(seed, randomUUID());
    checkKeyId(sealed.keyId);
    if (sealed.keyId !== keyId) throw new Error(`the plugin encrypts with key ${sealed.keyId}, and says that it is ${keyId}`);
    if (sealed.ciphertext.length === 0 || sealed.ciphertext.length > 1024)
      throw new Error("the plugin's ciphertext is empty or longer than 1 kB");
    this.seed = { cipher: aesGcmOfSeed(seed), sealed, expires };
  }
}

function checkKeyId(keyId: string): void {
  if (keyId === "") throw new Error("keyID is empty");
  if (Buffer.byteLength(keyId) > 1024) throw new Error("keyID is longer than 1 kB");
}
