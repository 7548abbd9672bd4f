import { isIPv4, isIPv6 } from "node:net";
import type { Environment } from "@marcbachmann/cel-js";

/** An address as `ip("10.0.0.1")` gives it. */
class Ip {
  readonly bits: 32 | 128;
  readonly value: bigint;

  constructor(bits: 32 | 128, value: bigint) {
    this.bits = bits;
    this.value = value;
  }

  equals(other: unknown): boolean {
    return other instanceof Ip && other.bits === this.bits && other.value === this.value;
  }

  /** The canonical form: lower case, the longest run of zeros left out. */
  toString(): string {
    const size = this.bits === 32 ? 8n : 16n;
    const parts = Array.from(
      { length: this.bits / Number(size) },
      (_, i) => (this.value >> (BigInt(this.bits) - size * BigInt(i + 1))) & ((1n << size) - 1n),
    );
    if (this.bits === 32) return parts.join(".");
    return new URL(`http://[${parts.map((part) => part.toString(16)).join(":")}]`).hostname.slice(1, -1);
  }
}

/** A range as `cidr("10.0.0.0/8")` gives it. */
class Cidr {
  readonly address: Ip;
  readonly prefix: number;

  constructor(address: Ip, prefix: number) {
    this.address = address;
    this.prefix = prefix;
  }

  contains({ bits, value }: Ip): boolean {
    const host = BigInt(this.address.bits - this.prefix);
    return bits === this.address.bits && value >> host === this.address.value >> host;
  }

  masked(): Cidr {
    const host = BigInt(this.address.bits - this.prefix);
    return new Cidr(new Ip(this.address.bits, (this.address.value >> host) << host), this.prefix);
  }

  equals(other: unknown): boolean {
    return other instanceof Cidr && other.prefix === this.prefix && this.address.equals(other.address);
  }

  toString(): string {
    return `${this.address}/${this.prefix}`;
  }
}

function parseIp(text: string): Ip | undefined {
  if (isIPv4(text))
    return new Ip(
      32,
      text.split(".").reduce((sum, part) => sum * 256n + BigInt(part), 0n),
    );
  if (!isIPv6(text) || text.includes("%") || text.includes(".")) return undefined;
  const [head = "", tail] = text.split("::");
  const words = (part: string): string[] => (part ? part.split(":") : []);
  const [before, after] = [words(head), words(tail ?? "")];
  const all = tail === undefined ? before : [...before, ...Array<string>(8 - before.length - after.length).fill("0"), ...after];
  return new Ip(
    128,
    all.reduce((sum, word) => sum * 65536n + BigInt(`0x${word}`), 0n),
  );
}

function parseCidr(text: string): Cidr | undefined {
  const [address = "", prefix = "", ...rest] = text.split("/");
  const ip = parseIp(address);
  return ip && !rest.length && /^(0|[1-9]\d{0,2})$/.test(prefix) && Number(prefix) <= ip.bits ? new Cidr(ip, Number(prefix)) : undefined;
}

function parseUrl(text: string): URL | undefined {
  if (text.startsWith("/")) return URL.parse(text, "relative://") ?? undefined;
  return URL.parse(text) ?? undefined;
}

function needed<T>(value: T | undefined, why: string): T {
  if (value === undefined) throw new Error(why);
  return value;
}

const address = (text: string): Ip =>
  needed(parseIp(text), `IP Address ${JSON.stringify(text)} parse error during conversion from string: invalid`);
const range = (text: string): Cidr =>
  needed(parseCidr(text), `network address parse error during conversion from string: ${JSON.stringify(text)}`);

/** Kubernetes' libraries of IP addresses, CIDRs and URLs. */
export function registerNetwork(environment: Environment): void {
  registerIps(environment);
  registerCidrs(environment);
  registerUrls(environment);
}

function registerIps(environment: Environment): void {
  const within = (...ranges: string[]): ((ip: Ip) => boolean) => {
    const parsed = ranges.map(range);
    return (ip) => parsed.some((one) => one.contains(ip));
  };
  const unspecified = within("0.0.0.0/32", "::/128");
  const special = within(
    "0.0.0.0/32",
    "::/128",
    "127.0.0.0/8",
    "::1/128",
    "224.0.0.0/4",
    "ff00::/8",
    "169.254.0.0/16",
    "fe80::/10",
    "255.255.255.255/32",
  );
  class Ips {}
  environment
    .registerType("net.IP", Ip)
    .registerType("kubernetes.IPs", Ips)
    .registerConstant("ip", "kubernetes.IPs", new Ips())
    .registerOperator("net.IP == net.IP", (a: Ip, b: Ip) => a.equals(b))
    .registerFunction("ip(string): net.IP", address)
    .registerFunction("isIP(string): bool", (text: string) => parseIp(text) !== undefined)
    .registerFunction("kubernetes.IPs.isCanonical(string): bool", (_: unknown, text: string) => String(address(text)) === text)
    .registerFunction("string(net.IP): string", String)
    .registerFunction("net.IP.family(): int", ({ bits }: Ip) => (bits === 32 ? 4n : 6n))
    .registerFunction("net.IP.isUnspecified(): bool", unspecified)
    .registerFunction("net.IP.isLoopback(): bool", within("127.0.0.0/8", "::1/128"))
    .registerFunction("net.IP.isLinkLocalMulticast(): bool", within("224.0.0.0/24", "ff02::/16"))
    .registerFunction("net.IP.isLinkLocalUnicast(): bool", within("169.254.0.0/16", "fe80::/10"))
    .registerFunction("net.IP.isGlobalUnicast(): bool", (ip: Ip) => !special(ip));
}

function registerCidrs(environment: Environment): void {
  environment
    .registerType("net.CIDR", Cidr)
    .registerOperator("net.CIDR == net.CIDR", (a: Cidr, b: Cidr) => a.equals(b))
    .registerFunction("cidr(string): net.CIDR", range)
    .registerFunction("isCIDR(string): bool", (text: string) => parseCidr(text) !== undefined)
    .registerFunction("string(net.CIDR): string", String)
    .registerFunction("net.CIDR.containsIP(net.IP): bool", (one: Cidr, ip: Ip) => one.contains(ip))
    .registerFunction("net.CIDR.containsIP(string): bool", (one: Cidr, ip: string) => one.contains(address(ip)))
    .registerFunction("net.CIDR.containsCIDR(net.CIDR): bool", covers)
    .registerFunction("net.CIDR.containsCIDR(string): bool", (one: Cidr, other: string) => covers(one, range(other)))
    .registerFunction("net.CIDR.ip(): net.IP", (one: Cidr) => one.address)
    .registerFunction("net.CIDR.masked(): net.CIDR", (one: Cidr) => one.masked())
    .registerFunction("net.CIDR.prefixLength(): int", ({ prefix }: Cidr) => BigInt(prefix));
}

function covers(one: Cidr, other: Cidr): boolean {
  return one.contains(other.address) && one.prefix <= other.prefix;
}

function registerUrls(environment: Environment): void {
  environment
    .registerType("kubernetes.URL", URL)
    .registerOperator("kubernetes.URL == kubernetes.URL", (a: URL, b: URL) => a.href === b.href)
    .registerFunction("url(string): kubernetes.URL", (text: string) =>
      needed(parseUrl(text), `URL parse error during conversion from string: parse ${JSON.stringify(text)}: invalid URI for request`),
    )
    .registerFunction("isURL(string): bool", (text: string) => parseUrl(text) !== undefined)
    .registerFunction("kubernetes.URL.getScheme(): string", ({ protocol }: URL) => (protocol === "relative:" ? "" : protocol.slice(0, -1)))
    .registerFunction("kubernetes.URL.getHost(): string", ({ host }: URL) => host)
    .registerFunction("kubernetes.URL.getHostname(): string", ({ hostname }: URL) => hostname.replace(/^\[|\]$/g, ""))
    .registerFunction("kubernetes.URL.getPort(): string", ({ port }: URL) => port)
    .registerFunction("kubernetes.URL.getEscapedPath(): string", ({ pathname, href }: URL) =>
      pathname === "/" && !href.endsWith("/") ? "" : pathname,
    )
    .registerFunction("kubernetes.URL.getQuery(): map<string, list<string>>", ({ searchParams }: URL) =>
      Object.fromEntries([...new Set(searchParams.keys())].map((key) => [key, searchParams.getAll(key)])),
    );
}
