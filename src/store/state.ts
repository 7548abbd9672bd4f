import { parseJson } from "../api/codec/json-numbers.ts";
import type { KubeObject } from "../api/meta/object.ts";
import { ManagedFields } from "../api/meta/apply/managed-fields.ts";
import { encode, hasSharedParts } from "./shared-parts.ts";
import type { Key, StoredObject } from "./store.ts";

const managedKey = `,"managedFields":`;

/** One object at one revision: its text, and its parsed form from the first time somebody asks. */
export class State implements StoredObject {
  readonly key: Key;
  readonly revision: number;
  readonly managed: ManagedFields | undefined;
  /** About how many bytes it holds for itself: the characters of its text, what it shares left out. */
  readonly size: number;
  /** The text but for managedFields, which objects share. */
  private body: string | undefined;
  /** Where in the body they go. */
  private readonly at: number;
  private parsed: Readonly<KubeObject> | undefined;

  private constructor(key: Key, revision: number, body: string, managed: ManagedFields | undefined) {
    this.key = key;
    this.revision = revision;
    this.body = body;
    this.managed = managed;
    this.size = body.length;
    this.at = managed ? body.indexOf(revisionText(revision)) : 0;
  }

  /** The state that a write makes of an object, which is frozen with it. */
  static of(key: Key, revision: number, object: Readonly<KubeObject>, managed: ManagedFields | undefined): State {
    const encoded = encode(key.resource, withRevision(object, revision));
    const state = new State(key, revision, encoded.text, managed);
    state.parsed = deepFreeze(encoded.object);
    return state;
  }

  /** The state with that text, which was one's before. */
  static read(key: Key, revision: number, text: string): State {
    const start = text.indexOf(`${managedKey}[{`);
    if (start < 0) return new State(key, revision, text, undefined);
    const end = text.indexOf(`]${revisionText(revision)}`, start) + 1;
    if (end === 0) {
      // Earlier versions had them elsewhere.
      const object = parseJson(text) as KubeObject; // As below.
      return State.of(key, revision, object, ManagedFields.fromEntries(object.metadata.managedFields));
    }
    const managed = ManagedFields.fromText(text.slice(start + managedKey.length, end));
    // Joined, they are a text of their own, and the whole one can go.
    return new State(key, revision, [text.slice(0, start), text.slice(end)].join(""), managed);
  }

  get text(): string {
    return withManaged(this.ownText, this.at, this.managed);
  }

  private get ownText(): string {
    return this.body ?? encode(this.key.resource, this.object).text;
  }

  get object(): Readonly<KubeObject> {
    return (this.parsed ??= this.parse());
  }

  private parse(): Readonly<KubeObject> {
    // The text was made from a KubeObject by this store, and its checksum was compared when it was read.
    const object = parseJson(this.ownText) as KubeObject;
    return deepFreeze(hasSharedParts(this.key.resource) ? encode(this.key.resource, object).object : object);
  }

  /**
   * What is rarely read keeps one form only, and the other is made again when somebody asks: states that were replaced, and those of very many
   * objects. Where objects share parts that is the parsed one, most of which others have as well; elsewhere the text, which is smaller.
   */
  keepOneForm(): void {
    if (!hasSharedParts(this.key.resource)) this.parsed = undefined;
    else {
      this.parsed ??= this.parse();
      this.body = undefined;
    }
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
    if (this.encoded === undefined) {
      const body = JSON.stringify(this.object);
      this.encoded = withManaged(body, body.indexOf(revisionText(this.revision)), this.managed);
    }
    return this.encoded;
  }

  get managed(): ManagedFields | undefined {
    return this.last.managed;
  }

  get object(): Readonly<KubeObject> {
    this.made ??= deepFreeze(withRevision(this.last.object, this.revision));
    return this.made;
  }
}

/** What follows the name in an object's text: nothing before it can be taken for it. */
function revisionText(revision: number): string {
  return `,"resourceVersion":"${revision}"`;
}

/** The text with managedFields put in there. */
function withManaged(body: string, at: number, managed: ManagedFields | undefined): string {
  return managed ? body.slice(0, at) + managedKey + managed.text + body.slice(at) : body;
}

/**
 * The object with that metadata.resourceVersion; everything else is shared with the given one, which stays as it is. Metadata comes
 * before all else that is not plain, and the name and the resourceVersion begin it, so that this place is easily found in the text.
 */
function withRevision(object: Readonly<KubeObject>, revision: number): KubeObject {
  const { name, managedFields: _, resourceVersion: __, ...others } = object.metadata;
  const metadata = { name, resourceVersion: String(revision), ...others };
  const { kind, apiVersion } = object;
  return Object.assign({ kind, apiVersion, metadata }, object, { metadata });
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
