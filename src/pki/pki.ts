import { chmod, mkdir } from "node:fs/promises";
import { type Clock, systemClock } from "../lib/clock.ts";
import { type Credentials, ensureAuthority, ensureLeaf, type Grant, type LeafSpec, signRequest } from "./credentials.ts";
import { PkiFailed } from "./files.ts";
import { ensureServiceAccountKey, type ServiceAccountKey } from "./service-account-key.ts";

export type { Credentials } from "./credentials.ts";

/** How often certificates are looked at; they are renewed long before they end. */
const renewalCheck = 12 * 60 * 60_000;

/** The names by which pods call the API server. */
const serviceNames = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"];

/** The certificates that every server has: by whom they are signed, and what they say. */
const leaves = {
  admin: { authority: "client", commonName: "system:admin", organizations: ["system:masters"], usages: ["client auth"] },
  "controller-manager": { authority: "client", commonName: "system:kube-controller-manager", usages: ["client auth"] },
  scheduler: { authority: "client", commonName: "system:kube-scheduler", usages: ["client auth"] },
  "apiserver-kubelet-client": {
    authority: "client",
    commonName: "kube-apiserver-kubelet-client",
    organizations: ["system:masters"],
    usages: ["client auth"],
  },
  "front-proxy-client": { authority: "frontProxy", commonName: "front-proxy-client", usages: ["client auth"] },
} satisfies Record<string, LeafSpec & { authority: AuthorityName }>;

/** Which authority: for what servers show, for what users and nodes show, for what the API server shows to extension servers. */
export type AuthorityName = "server" | "client" | "frontProxy";

/** A certificate that every server has for a client of its own. */
export type ClientName = keyof typeof leaves;

/** What the certificates depend on. */
export interface PkiOptions {
  /** Addresses and DNS names of this server besides localhost and the kubernetes Service: node addresses, --tls-san. */
  names?: readonly string[];
  /** The address of the kubernetes Service; default 10.43.0.1. */
  serviceAddress?: string;
  /** The cluster's DNS domain; default cluster.local. */
  clusterDomain?: string;
  clock?: Clock;
  /** Hears why a renewal failed; the next one tries again. */
  failed?: (error: unknown) => void;
}

/** One certificate that is kept fit. */
interface Kept {
  file: string;
  authority: AuthorityName;
  spec: LeafSpec;
  now: Credentials;
}

/**
 * The cluster's authorities and certificates in a folder, made when missing, renewed before they end. Call after the data folder is
 * locked. Rejects with PkiFailed, a sentence that says what to do, when files are there but cannot be used.
 */
export async function ensurePki(folder: string, options: PkiOptions = {}): Promise<Pki> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
  } catch (error) {
    throw new PkiFailed(`the folder ${folder} cannot be made: ${String(error)}`);
  }
  const pki = new Pki(folder, options, await ensureServiceAccountKey(folder));
  await pki.begin(options);
  return pki;
}

/** The authorities and certificates of a running server. What it gives is always the newest; onRenewed tells when that changes. */
export class Pki {
  readonly serviceAccountKey: ServiceAccountKey;
  private readonly folder: string;
  private readonly clock: Clock;
  private readonly failed: (error: unknown) => void;
  private readonly authorities = new Map<AuthorityName, Credentials>();
  private readonly kept = new Map<string, Kept>();
  private readonly handlers = new Set<() => void>();
  private cancel: () => void = () => {};
  private stopped = false;
  private changing: Promise<unknown> = Promise.resolve();

  /** See ensurePki. */
  constructor(folder: string, options: PkiOptions, serviceAccountKey: ServiceAccountKey) {
    this.folder = folder;
    this.clock = options.clock ?? systemClock;
    this.failed = options.failed ?? (() => {});
    this.serviceAccountKey = serviceAccountKey;
  }

  /** Reads or makes everything, and starts the timer of renewals. */
  async begin({ names = [], serviceAddress = "10.43.0.1", clusterDomain = "cluster.local" }: PkiOptions): Promise<void> {
    await this.ensureAuthorities();
    const serving = [...serviceNames, `kubernetes.default.svc.${clusterDomain}`, "127.0.0.1", "::1", serviceAddress, ...names];
    await Promise.all([
      this.keep("apiserver", "server", { commonName: "kube-apiserver", names: unique(serving), usages: ["server auth"] }),
      ...Object.entries(leaves).map(([file, { authority, ...spec }]) => this.keep(file, authority, spec)),
    ]);
    this.schedule();
  }

  private async ensureAuthorities(): Promise<void> {
    const ensure = async (name: AuthorityName, file: string, commonName: string): Promise<void> => {
      this.authorities.set(name, await ensureAuthority(this.folder, file, commonName, this.clock));
    };
    await Promise.all([
      ensure("server", "server-ca", "kubernetes-ca"),
      ensure("client", "client-ca", "kubernetes-client-ca"),
      ensure("frontProxy", "front-proxy-ca", "kubernetes-front-proxy-ca"),
    ]);
  }

  private async keep(file: string, authority: AuthorityName, spec: LeafSpec): Promise<Credentials> {
    const now = await ensureLeaf(this.folder, file, this.withKey(authority), spec, this.clock);
    this.kept.set(file, { file, authority, spec, now });
    return now;
  }

  private withKey(name: AuthorityName): Credentials {
    const authority = this.authorities.get(name);
    if (!authority) throw new Error(`the authority ${name} is not there yet`);
    return authority;
  }

  private find(file: string): Credentials {
    const kept = this.kept.get(file);
    if (!kept) throw new Error(`the certificate ${file} is not there yet`);
    return kept.now;
  }

  /** The authority's certificate, PEM: what those who verify have to trust. */
  authority(name: AuthorityName): string {
    return this.withKey(name).certificate;
  }

  /** What the API server shows to its clients. */
  get serving(): Credentials {
    return this.find("apiserver");
  }

  /** The credentials of one of the server's own clients. */
  client(name: ClientName): Credentials {
    return this.find(name);
  }

  /** What the node's kubelet, in this process, shows to the API server: user system:node:NAME, group system:nodes. */
  nodeClient(name: string): Promise<Credentials> {
    return this.keep(`node-${encodeURIComponent(name)}`, "client", {
      commonName: `system:node:${name}`,
      organizations: ["system:nodes"],
      usages: ["client auth"],
    });
  }

  /** What the node's kubelet, in this process, shows to those who call it at these names and addresses. */
  nodeServing(name: string, names: readonly string[]): Promise<Credentials> {
    return this.keep(`node-${encodeURIComponent(name)}-serving`, "server", {
      commonName: `system:node:${name}`,
      organizations: ["system:nodes"],
      names: unique([name, "localhost", "127.0.0.1", ...names]),
      usages: ["server auth"],
    });
  }

  /** Adds names or addresses to what the API server shows; a new certificate is there, and announced, when it resolves. */
  addServingNames(names: readonly string[]): Promise<boolean> {
    return this.change(async () => {
      const kept = this.kept.get("apiserver");
      if (kept) await this.keep(kept.file, kept.authority, { ...kept.spec, names: unique([...(kept.spec.names ?? []), ...names]) });
    });
  }

  /** Signs a certificate request (PEM) with all that it asks for; whether it may is the caller's decision. Rejects when it is malformed. */
  signRequest(authority: AuthorityName, request: string, grant: Grant): Promise<string> {
    return signRequest(this.withKey(authority), request, grant, this.clock.now());
  }

  /** Calls after certificates have changed: give the new ones to the TLS server (setSecureContext). Returns how to end it. */
  onRenewed(handler: () => void): () => void {
    this.handlers.add(handler);
    return () => this.handlers.delete(handler);
  }

  /** Renews what ends soon; true when something did. The timer calls it twice a day. */
  renew(): Promise<boolean> {
    return this.change(async () => {
      await this.ensureAuthorities();
      await Promise.all([...this.kept.values()].map(({ file, authority, spec }) => this.keep(file, authority, spec)));
    });
  }

  /** Does the work after what is being done already, and announces when certificates are others than before. */
  private async change(work: () => Promise<void>): Promise<boolean> {
    const changed = this.changing.then(async () => {
      const before = this.fingerprint();
      await work();
      return this.fingerprint() !== before;
    });
    this.changing = changed.catch(() => {});
    if (!(await changed)) return false;
    for (const handler of this.handlers) handler();
    return true;
  }

  private fingerprint(): string {
    return [...this.authorities.values(), ...[...this.kept.values()].map((kept) => kept.now)].map((c) => c.certificate).join("");
  }

  private schedule(): void {
    this.cancel = this.clock.after(renewalCheck, () => {
      this.renew()
        .catch(this.failed)
        .finally(() => {
          if (!this.stopped) this.schedule();
        });
    });
  }

  /** Ends the timer of renewals. */
  stop(): void {
    this.stopped = true;
    this.cancel();
  }
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}
