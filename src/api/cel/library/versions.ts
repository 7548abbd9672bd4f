import type { Environment } from "@marcbachmann/cel-js";

const pattern =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][\da-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][\da-zA-Z-]*))*))?(?:\+[\da-zA-Z.-]+)?$/;

/** A semantic version (https://semver.org). */
class Semver {
  readonly numbers: readonly bigint[];
  readonly prerelease: readonly string[];

  constructor(numbers: readonly bigint[], prerelease: readonly string[]) {
    this.numbers = numbers;
    this.prerelease = prerelease;
  }

  equals(other: unknown): boolean {
    return other instanceof Semver && compare(this, other) === 0n;
  }
}

function parse(text: string, normalize = false): Semver | undefined {
  let version = text;
  if (normalize) {
    const [, core = "", rest = ""] = /^v?([\d.]*)(.*)$/s.exec(text) ?? [];
    const parts = core.split(".").map((part) => part.replace(/^0+(?=\d)/, ""));
    version = [...parts, "0", "0"].slice(0, Math.max(3, parts.length)).join(".") + rest;
  }
  const match = pattern.exec(version);
  return match ? new Semver(match.slice(1, 4).map(BigInt), match[4]?.split(".") ?? []) : undefined;
}

function semver(text: string, normalize = false): Semver {
  const version = parse(text, normalize);
  if (!version) throw new Error(`semver parse error during conversion from string: ${JSON.stringify(text)}`);
  return version;
}

function compare(a: Semver, b: Semver): bigint {
  for (const [i, number] of a.numbers.entries()) if (number !== b.numbers[i]) return number < (b.numbers[i] ?? 0n) ? -1n : 1n;
  if (!a.prerelease.length || !b.prerelease.length) return BigInt(b.prerelease.length && 1) - BigInt(a.prerelease.length && 1);
  for (const [i, part] of a.prerelease.entries()) {
    const other = b.prerelease[i];
    if (other === undefined) return 1n;
    if (part === other) continue;
    const [left, right] = [/^\d+$/.test(part), /^\d+$/.test(other)];
    if (left !== right) return left ? -1n : 1n;
    return (left ? BigInt(part) < BigInt(other) : part < other) ? -1n : 1n;
  }
  return a.prerelease.length < b.prerelease.length ? -1n : 0n;
}

/** Kubernetes' semver library. */
export function registerVersions(environment: Environment): void {
  const type = "kubernetes.Semver";
  environment
    .registerType(type, Semver)
    .registerOperator(`${type} == ${type}`, (a: Semver, b: Semver) => a.equals(b))
    .registerFunction(`semver(string): ${type}`, (text: string) => semver(text))
    .registerFunction(`semver(string, bool): ${type}`, semver)
    .registerFunction("isSemver(string): bool", (text: string) => parse(text) !== undefined)
    .registerFunction("isSemver(string, bool): bool", (text: string, normalize: boolean) => parse(text, normalize) !== undefined)
    .registerFunction(`${type}.compareTo(${type}): int`, compare)
    .registerFunction(`${type}.isGreaterThan(${type}): bool`, (a: Semver, b: Semver) => compare(a, b) > 0n)
    .registerFunction(`${type}.isLessThan(${type}): bool`, (a: Semver, b: Semver) => compare(a, b) < 0n);
  for (const [i, name] of ["major", "minor", "patch"].entries())
    environment.registerFunction(`${type}.${name}(): int`, ({ numbers }: Semver) => numbers[i] ?? 0n);
}
