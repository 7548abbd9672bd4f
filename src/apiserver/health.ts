/** One thing that has to be well. */
export interface HealthCheck {
  /** "etcd", "poststarthook/rbac/bootstrap-roles": part of the path /readyz/NAME. */
  name: string;
  /** Undefined when all is well, else what is wrong (shown in the log only). */
  check(): string | undefined;
  /** On which endpoints it counts; default: all. */
  on?: readonly HealthEndpoint[];
}

/** The three endpoints. */
export type HealthEndpoint = "healthz" | "livez" | "readyz";

/** An answer in plain text. */
export interface HealthAnswer {
  code: number;
  text: string;
}

/** /healthz, /livez and /readyz with their checks; see "Kubernetes API health endpoints". */
export class Health {
  private readonly checks: readonly HealthCheck[];

  constructor(checks: readonly HealthCheck[]) {
    this.checks = [{ name: "ping", check: () => undefined }, { name: "log", check: () => undefined }, ...checks];
  }

  /** All paths, for the index of the server. */
  paths(): string[] {
    return (["healthz", "livez", "readyz"] as const).flatMap((endpoint) => [
      `/${endpoint}`,
      ...this.of(endpoint).map(({ name }) => `/${endpoint}/${name}`),
    ]);
  }

  /** The answer of a whole endpoint: a line a check where asked for or where something is wrong. */
  all(endpoint: HealthEndpoint, { verbose, exclude }: { verbose: boolean; exclude: readonly string[] }): HealthAnswer {
    let failed = false;
    const lines = this.of(endpoint).map(({ name, check }) => {
      if (exclude.includes(name)) return `[+]${name} excluded: ok\n`;
      if (check() === undefined) return `[+]${name} ok\n`;
      failed = true;
      return `[-]${name} failed: reason withheld\n`;
    });
    const unknown = exclude.filter((name) => !this.of(endpoint).some((check) => check.name === name));
    if (unknown.length > 0) {
      const names = unknown.map((name) => JSON.stringify(name)).join(", ");
      lines.push(`warn: some health checks cannot be excluded: no matches for ${names}\n`);
    }
    if (failed) return { code: 500, text: `${lines.join("")}${endpoint} check failed\n` };
    return { code: 200, text: verbose ? `${lines.join("")}${endpoint} check passed\n` : "ok" };
  }

  /** The answer of one check; undefined when there is none of that name. */
  one(endpoint: HealthEndpoint, name: string): HealthAnswer | undefined {
    const found = this.of(endpoint).find((check) => check.name === name);
    if (!found) return undefined;
    return found.check() === undefined ? { code: 200, text: "ok" } : { code: 500, text: "internal server error: reason withheld\n" };
  }

  private of(endpoint: HealthEndpoint): HealthCheck[] {
    return this.checks.filter(({ on }) => !on || on.includes(endpoint));
  }
}
