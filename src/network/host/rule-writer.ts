import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { NetworkHost } from "./host.ts";
import { type Hook, type RuleSet, restoreText, tables } from "./rule-set.ts";

/** How long changes are gathered before rules are written, in milliseconds. */
const gatherMilliseconds = 20;

/** What a RuleWriter writes. */
export interface RuleSource {
  /** The rules as they ought to be now. */
  build(): RuleSet;
  /** Where they are entered from. Not at all while there are none. */
  hooks: readonly Hook[];
  /** What is on the machine, from an earlier process say; read before anything is written. Without it: whatever is there is left. */
  found?(): Promise<RuleSet>;
  /** Called after each time that rules were written. */
  written?(): Promise<void>;
}

/** Keeps one part's rules on the machine as they ought to be: changes are gathered, only chains that differ are written, failures tried again. */
export class RuleWriter {
  private readonly source: RuleSource;
  private readonly host: NetworkHost;
  private readonly clock: Clock;
  private readonly log: Logger;
  private there: RuleSet | undefined;
  /** Undefined: not known. */
  private hooked: boolean | undefined;
  private started = false;
  private cancelTimer: (() => void) | undefined;
  private writing: Promise<void> = Promise.resolve();

  constructor(source: RuleSource, { host, clock, log }: { host: NetworkHost; clock: Clock; log: Logger }) {
    this.source = source;
    this.host = host;
    this.clock = clock;
    this.log = log;
  }

  /** Writes the first rules. */
  async start(): Promise<void> {
    this.started = true;
    await this.flush();
  }

  /** Leaves the rules as they are. */
  async stop(): Promise<void> {
    this.started = false;
    this.cancelTimer?.();
    await this.writing;
  }

  /** The rules may have changed. Nothing before start(). */
  touch(after = gatherMilliseconds): void {
    if (!this.started) return;
    this.cancelTimer ??= this.clock.after(after, () => void this.flush());
  }

  /** Writes at once what has changed. Nothing before start(). */
  async flush(): Promise<void> {
    if (!this.started) return;
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    this.writing = this.writing.then(() => this.write());
    return this.writing;
  }

  private async write(): Promise<void> {
    const rules = this.source.build();
    try {
      this.there ??= await this.source.found?.();
      const text = restoreText(this.there, rules);
      if (!text) return;
      const some = restoreText(undefined, rules) !== undefined;
      if (some !== this.hooked) await (some ? this.hook() : this.unhook());
      this.hooked = some;
      await this.host.restore(text);
      this.there = rules;
      await this.source.written?.();
    } catch (error) {
      // Somebody else may have removed our chains: begin from nothing next time.
      this.there = undefined;
      this.hooked = undefined;
      this.log.warn({ error: String(error) }, "iptables rules could not be written; trying again");
      this.touch(1000);
    }
  }

  /** Makes our chains and, once, the jumps to them, ahead of everybody else's. */
  private async hook(): Promise<void> {
    const declared = tables.map((table) => {
      const chains = [...new Set(this.source.hooks.filter((h) => h.table === table).map((h) => h.to))];
      return chains.length > 0 ? `*${table}\n${chains.map((chain) => `:${chain} - [0:0]\n`).join("")}COMMIT\n` : "";
    });
    await this.host.restore(declared.join(""));
    for (const hook of this.source.hooks) {
      const [chain, jump] = [await this.chainOf(hook), jumpOf(hook)];
      if (!(await this.host.iptables("-t", hook.table, "-C", chain, ...jump)))
        await this.host.iptables("-t", hook.table, "-I", chain, "1", ...jump);
    }
  }

  private async unhook(): Promise<void> {
    for (const hook of this.source.hooks) await this.host.iptables("-t", hook.table, "-D", await this.chainOf(hook), ...jumpOf(hook));
  }

  /** Docker drops what passes between its bridges after it has asked DOCKER-USER: what is ours has to be said there. */
  private async chainOf({ table, from }: Hook): Promise<string> {
    const inDockerUser =
      table === "filter" && from === "FORWARD" && (await this.host.iptables("-t", table, "-n", "-L", "DOCKER-USER", "1"));
    return inDockerUser ? "DOCKER-USER" : from;
  }
}

function jumpOf({ match, to }: Hook): string[] {
  return [...(match?.split(" ") ?? []), "-j", to];
}
