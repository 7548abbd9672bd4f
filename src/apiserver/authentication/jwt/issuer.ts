import { getCACertificates } from "node:tls";
import { createRemoteJWKSet, customFetch, type JWTPayload, jwtVerify } from "jose";
import { Agent, fetch } from "undici";
import type { Clock } from "../../../lib/clock.ts";
import { networkError } from "../../backends/network-error.ts";

/** Somebody who signs tokens, as OpenID Connect Discovery tells of him. */
export interface IssuerOptions {
  url: string;
  /** Where the discovery document is; default: below the issuer's URL. */
  discoveryURL?: string;
  /** PEM; undefined: those that the machine trusts. */
  authorities?: string | undefined;
  audiences: readonly string[];
  algorithms: readonly string[];
  clock: Clock;
}

/** How far ahead an issuer's clock may be, in seconds. */
const notBeforeLeeway = 300;
/** So often an issuer who cannot be reached is looked for, in milliseconds. */
const discoveryPause = 10_000;

type Keys = ReturnType<typeof createRemoteJWKSet>;

/** Checks tokens of one issuer. Its keys are fetched when the first token comes, and again for a token of a key not known. */
export class Issuer {
  private readonly options: IssuerOptions;
  private readonly dispatcher: Agent;
  private keys: Promise<Keys> | undefined;
  private failedAt = Number.NEGATIVE_INFINITY;

  constructor(options: IssuerOptions) {
    this.options = options;
    this.dispatcher = new Agent({
      connect: { ca: options.authorities ?? [...getCACertificates("default"), ...getCACertificates("system")] },
      headersTimeout: 30_000,
      bodyTimeout: 30_000,
    });
  }

  /** The claims of a token that the issuer has signed for one of the audiences and that has not ended. Throws an Error. */
  async verify(token: string): Promise<JWTPayload> {
    const { url, audiences, algorithms, clock } = this.options;
    const { payload } = await jwtVerify(token, await this.currentKeys(), {
      issuer: url,
      audience: [...audiences],
      algorithms: [...algorithms],
      requiredClaims: ["exp"],
      currentDate: new Date(clock.now()),
      clockTolerance: notBeforeLeeway,
    });
    // The leeway is for the beginning only.
    if ((payload.exp ?? 0) * 1000 < clock.now())
      throw new Error(`token is expired (Token Expiry: ${new Date((payload.exp ?? 0) * 1000).toISOString()})`);
    return payload;
  }

  /** Fetches a text from the issuer or one whom it names. */
  async text(url: string, headers: Record<string, string> = {}): Promise<string> {
    const response = await this.get(url, headers);
    if (!response.ok) throw new Error(`GET ${url}: ${response.status}`);
    return response.text();
  }

  async close(): Promise<void> {
    await this.dispatcher.destroy();
  }

  private async get(url: string, headers: Record<string, string>): ReturnType<typeof fetch> {
    try {
      return await fetch(url, { headers, dispatcher: this.dispatcher, redirect: "follow" });
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      throw new Error(`Get ${JSON.stringify(url)}: ${networkError(cause)}`);
    }
  }

  private currentKeys(): Promise<Keys> {
    const { clock } = this.options;
    if (this.keys) return this.keys;
    if (clock.now() < this.failedAt + discoveryPause) throw new Error("authenticator not initialized");
    this.keys = this.discover().catch((error: unknown) => {
      this.keys = undefined;
      this.failedAt = clock.now();
      throw error;
    });
    return this.keys;
  }

  private async discover(): Promise<Keys> {
    const { url, discoveryURL } = this.options;
    const document: unknown = JSON.parse(await this.text(discoveryURL ?? `${url.replace(/\/$/, "")}/.well-known/openid-configuration`));
    const { issuer, jwks_uri: uri } = Object(document) as Record<string, unknown>; // Whatever it is, it has fields or none.
    if (issuer !== url)
      throw new Error(
        `issuer did not match the issuer returned by provider, expected ${JSON.stringify(url)} got ${JSON.stringify(issuer)}`,
      );
    if (typeof uri !== "string" || !URL.canParse(uri)) throw new Error("provider did not return JWKS URL");
    return createRemoteJWKSet(new URL(uri), {
      cooldownDuration: discoveryPause,
      timeoutDuration: 30_000,
      [customFetch]: async (from) => {
        const response = await this.get(from, { accept: "application/json" });
        return new Response(await response.text(), { status: response.status });
      },
    });
  }
}
