import type { KubeObject } from "../api/meta/object.ts";
import type { Key, StoredObject } from "./store.ts";

/** One object at one revision: its text, and its parsed form from the first time somebody asks. */
export class State implements StoredObject {
  readonly key: Key;
  readonly revision: number;
  readonly text: string;
  private parsed: Readonly<KubeObject> | undefined;

  /** `object` is the deep-frozen form of the text, when it is at hand. */
  constructor(key: Key, revision: number, text: string, object?: Readonly<KubeObject>) {
    this.key = key;
    this.revision = revision;
    this.text = text;
    this.parsed = object;
  }

  get object(): Readonly<KubeObject> {
    // The text was made from a KubeObject by this store, and its checksum was compared when it was read.
    this.parsed ??= deepFreeze(JSON.parse(this.text) as KubeObject);
    return this.parsed;
  }

  /** History is mostly read as text: a replaced state keeps only that, and is parsed again in the rare case. */
  forgetParsed(): void {
    this.parsed = undefined;
  }
}

/** The last state of a deleted object, carrying the revision of its deletion. Encoded when a watcher asks for it. */
export class DeletedState implements StoredObject {
  readonly key: Key;
  readonly revision: number;
  private readonly last: StoredObject;
  private encoded: string | undefined;
  private made: Readonly<KubeObject> | undefined;

  constructor(last: StoredObject, revision: number) {
    this.key = last.key;
    this.revision = revision;
    this.last = last;
  }

  get text(): string {
    this.encoded ??= JSON.stringify(this.object);
    return this.encoded;
  }

  get object(): Readonly<KubeObject> {
    this.made ??= deepFreeze(withRevision(this.last.object, this.revision));
    return this.made;
  }
}

/** The object with that metadata.resourceVersion; everything else is shared with the given one, which stays as it is. */
export function withRevision(object: Readonly<KubeObject>, revision: number): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
}

/** Nobody changes what is shared: every test proves it. Freezing takes twice as long as encoding, so that it is done under test only. */
const isTest = process.env["NODE_ENV"] === "test";

/** Under test, freezes the value and all below it; what is frozen already is taken to be so all the way down. */
export function deepFreeze<T>(value: T): T {
  return isTest ? frozen(value) : value;
}

function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const key in value) {
    const child = value[key];
    if (typeof child === "object" && child !== null) frozen(child);
  }
  return Object.freeze(value);
}
