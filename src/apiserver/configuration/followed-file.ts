import { createHash } from "node:crypto";
import { watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import { family, type Sample } from "../metrics.ts";

/** Milliseconds after a change of the file in which more changes are awaited, and after which a file that cannot be used is read again. */
const settle = 100;
const retry = 60_000;

/** Which file, and whose it is: the word stands in logs and in the names of metrics. */
export interface FollowedFileOptions {
  path: string;
  of: "encryption" | "authentication" | "authorization";
  clock: Clock;
  log: Logger;
}

/** A configuration file whose changes are taken over while the server runs. */
export class FollowedFile {
  private readonly options: FollowedFileOptions;
  /** Of the text in use, as "sha256:...". */
  private hash: string;
  private readonly outcomes = { success: { count: 0, at: 0 }, failure: { count: 0, at: 0 } };
  private running = Promise.resolve();
  private stopWatching = (): void => {};
  private cancel = (): void => {};
  private isClosed = false;

  /** `text`: what the file held when it was read at the start. */
  constructor(options: FollowedFileOptions, text: string) {
    this.options = options;
    this.hash = hashOf(text);
  }

  /**
   * Gives every new text to `takeOver`. When that throws, the sentence is told in the log, nothing has changed, and the file is tried again
   * later.
   */
  follow(takeOver: (text: string) => Promise<void>): void {
    const { path, of, clock, log } = this.options;
    const reloadAfter = (milliseconds: number): void => {
      this.cancel();
      this.cancel = clock.after(milliseconds, () => {
        this.running = this.running.then(() => this.reload(takeOver)).then((isGood) => (isGood ? undefined : reloadAfter(retry)));
      });
    };
    // The folder is watched: the file may be a link, or replaced as a whole.
    const watcher = watch(dirname(path), { persistent: false }, () => reloadAfter(settle));
    watcher.on("error", (error) => log.error({ error: String(error) }, `the ${of} configuration ${path} is not watched any more`));
    this.stopWatching = () => watcher.close();
  }

  private async reload(takeOver: (text: string) => Promise<void>): Promise<boolean> {
    const { path, of, log } = this.options;
    if (this.isClosed) return true;
    try {
      const text = await readFile(path, "utf8");
      const hash = hashOf(text);
      if (hash === this.hash) return true;
      await takeOver(text);
      this.hash = hash;
      this.count("success");
      log.info({ path, hash }, `the ${of} configuration has been taken over`);
      return true;
    } catch (error) {
      this.count("failure");
      log.error({ path }, `the ${of} configuration is not taken over: ${error instanceof Error ? error.message : error}`);
      return false;
    }
  }

  private count(outcome: "success" | "failure"): void {
    this.outcomes[outcome] = { count: this.outcomes[outcome].count + 1, at: this.options.clock.now() / 1000 };
  }

  /** What /metrics shows of it, under upstream's names. */
  metrics(): string[] {
    const { of } = this.options;
    const name = `apiserver_${of}_config_controller`;
    const told = Object.entries(this.outcomes);
    const samples = (value: (outcome: { count: number; at: number }) => number): Sample[] =>
      told.map(([status, outcome]) => [{ status }, value(outcome)]);
    return [
      family(`${name}_last_config_info`, "gauge", `Information about the last applied ${of} configuration with hash as label.`, [
        [{ hash: this.hash }, 1],
      ]),
      family(
        `${name}_automatic_reloads_total`,
        "counter",
        `Total number of automatic reloads of ${of} configuration split by status.`,
        samples(({ count }) => count),
      ),
      family(
        `${name}_automatic_reload_last_timestamp_seconds`,
        "gauge",
        `Timestamp of the last automatic reload of ${of} configuration split by status.`,
        samples(({ at }) => at),
      ),
    ];
  }

  close(): void {
    this.isClosed = true;
    this.stopWatching();
    this.cancel();
  }
}

function hashOf(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}
