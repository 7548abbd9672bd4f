import type { Keep, Log, LogRecord, PastLog } from "./log.ts";
import { type Key, StoreFailed } from "./store.ts";

/** A text that was read, and who wrote it. */
export interface Unsealed {
  text: string;
  /** Names the key that it was written with; "" for plain text. */
  writer: string;
}

/** In which form the texts of states lie on the disk: encryption at rest. */
export interface Sealing {
  /** Names the key that states of the resource are written with now; "" for plain text. */
  writer(resource: string): string;
  seal(key: Key, text: string): string;
  /** Throws or rejects with an Error that says why it cannot be read. */
  unseal(key: Key, stored: string): Promise<Unsealed> | Unsealed;
  /** Why no state of the resource can be written now. */
  refusal(resource: string): string | undefined;
  /** Is told how to ask for all that was sealed and is still there. */
  follow(inUse: () => Iterable<Sealed>): void;
}

/** What a state on the disk was sealed with. */
export interface Sealed {
  readonly resource: string;
  readonly writer: string;
}

/** What sealed texts begin with; objects begin with "{". */
const mark = "k8s:enc:";

/** What could not be read is only history, which has been given up: the log is to be opened once more. */
export class HistoryLost extends Error {}

/** A log whose texts are sealed on their way to the disk. Without a sealing it refuses to read sealed ones. */
export class SealedLog implements Log {
  private readonly log: Log;
  private readonly name: string;
  private readonly sealing: Sealing | undefined;
  /** The last revision that replaced a state in an old form: perhaps plain, or with a key that nobody should have any more. */
  private stale = 0;
  private compacted = 0;
  /** What the newest states were sealed with, by their revisions; plain ones are not here. */
  private readonly sealed = new Map<number, Sealed>();
  /** Equal ones are kept once. */
  private readonly known = new Map<string, Sealed>();

  /** `name` is for messages. */
  constructor(log: Log, name: string, sealing: Sealing | undefined) {
    this.log = log;
    this.name = name;
    this.sealing = sealing;
    sealing?.follow(() => new Set(this.sealed.values()));
  }

  get past(): PastLog | undefined {
    const { past } = this.log;
    return (
      past && {
        ...past,
        states: async (query, after, upTo) => {
          const records = await past.states(query, after, upTo);
          for (const record of records)
            if (this.isSealed(record))
              await this.unsealed(record).catch((error: Error) => {
                throw new StoreFailed(`a past state of ${nameOf(record)} cannot be decrypted: ${error.message}`);
              });
          return records;
        },
      }
    );
  }

  get counts(): Log["counts"] {
    return this.log.counts;
  }

  open(): ReturnType<Log["open"]> {
    return this.log.open();
  }

  async read(after: number): Promise<LogRecord[]> {
    const records = await this.log.read(after);
    for (const record of records) {
      if (!this.isSealed(record)) continue;
      try {
        await this.unseal(record);
      } catch {
        throw await this.unreadable(record);
      }
    }
    return records;
  }

  private isSealed({ text }: LogRecord): boolean {
    return this.sealing !== undefined || text?.startsWith(mark) === true;
  }

  private async unseal(record: LogRecord): Promise<void> {
    const writer = await this.unsealed(record);
    this.noteStale(record);
    this.keep(record, writer);
  }

  /** Puts the plain text in; gives what it was written with. */
  private async unsealed(record: LogRecord): Promise<string> {
    const { key, text } = record;
    if (text === undefined) return "";
    if (!this.sealing)
      throw new Error("the server was started without --secrets-encryption or --encryption-provider-config; give what it was started with");
    const opened = this.sealing.unseal(key, text);
    const unsealed = opened instanceof Promise ? await opened : opened;
    record.text = unsealed.text;
    return unsealed.writer;
  }

  private keep({ revision, replaces, key: { resource } }: LogRecord, writer: string): void {
    this.sealed.delete(replaces);
    if (writer === "") return;
    const id = `${resource} ${writer}`;
    const sealed = this.known.get(id) ?? { resource, writer };
    this.known.set(id, sealed);
    this.sealed.set(revision, sealed);
  }

  /**
   * What to throw when a record cannot be read. When everything that cannot be read has been replaced since, it is forgotten first: keys
   * may go as soon as no newest state needs them.
   */
  private async unreadable(first: LogRecord): Promise<Error> {
    const missing = new Map<number, string>();
    let end = 0;
    for (let records = await this.log.read(first.revision - 1); records.length > 0; ) {
      for (const record of records) {
        if (missing.delete(record.replaces)) end = record.revision;
        if (this.isSealed(record))
          await this.unseal(record).catch((error: Error) =>
            missing.set(record.revision, `${nameOf(record)} cannot be decrypted: ${error.message}`),
          );
      }
      records = await this.log.read(records.at(-1)?.revision ?? 0);
    }
    const [lost] = missing.values();
    if (lost !== undefined) return new StoreFailed(`${this.name} cannot be read: ${lost}`);
    await this.log.compact(end);
    return new HistoryLost();
  }

  append(records: readonly LogRecord[], ceiling?: number): Promise<void> {
    const { sealing } = this;
    if (!sealing) return this.log.append(records, ceiling);
    const sealed = records.map((record) => {
      const { key, text } = record;
      const writer = text === undefined ? "" : sealing.writer(key.resource);
      this.noteStale(record);
      this.keep(record, writer);
      return text === undefined || writer === "" ? record : { ...record, text: sealing.seal(key, text) };
    });
    return this.log.append(sealed, ceiling);
  }

  compact(revision: number, keep?: Keep): Promise<void> {
    this.compacted = revision;
    return this.log.compact(revision, keep);
  }

  get wantsCompaction(): boolean {
    return this.stale > this.compacted;
  }

  private noteStale({ key, replaces, revision }: LogRecord): void {
    if (replaces > 0 && this.isStale(key, replaces)) this.stale = revision;
  }

  backup(path: string): Promise<void> {
    return this.log.backup(path);
  }

  close(): Promise<void> {
    return this.log.close();
  }

  refusal(resource: string): string | undefined {
    return this.sealing?.refusal(resource);
  }

  isStale({ resource }: { resource: string }, revision: number): boolean {
    return this.sealing !== undefined && (this.sealed.get(revision)?.writer ?? "") !== this.sealing.writer(resource);
  }
}

/** secrets "default/db" */
function nameOf({ key: { resource, namespace, name } }: LogRecord): string {
  const [group, plural] = resource.split("/", 2);
  return `${plural}${group ? `.${group}` : ""} ${JSON.stringify(namespace ? `${namespace}/${name}` : name)}`;
}
