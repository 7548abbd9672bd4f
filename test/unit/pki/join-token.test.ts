import { generateKeyPairSync } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { issueAuthority } from "../../../src/pki/issue.ts";
import { authorityHash, fitsAuthority, formatJoinToken, newJoinToken, parseJoinToken } from "../../../src/pki/join-token.ts";

const key = (): string => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const validity = { notBefore: Date.now(), notAfter: Date.now() + 86_400_000 };

describe("join tokens", () => {
  let ours: string;
  let renewed: string;
  let other: string;
  beforeAll(() => {
    const ourKey = key();
    ours = issueAuthority("ca", ourKey, validity);
    renewed = issueAuthority("ca", ourKey, validity);
    other = issueAuthority("ca", key(), validity);
  });

  test("a new token is random, in the shape of a bootstrap token, and reads back", () => {
    const token = newJoinToken();
    expect(formatJoinToken(token)).toMatch(/^[a-z0-9]{6}\.[a-z0-9]{16}$/);
    expect(newJoinToken().secret).not.toBe(token.secret);
    expect(parseJoinToken(formatJoinToken(token))).toEqual(token);
    expect(newJoinToken(() => 0)).toMatchObject({ id: "aaaaaa", secret: "aaaaaaaaaaaaaaaa" });
  });

  test("a token with a hash fits its cluster only, also after its certificate was renewed", () => {
    const text = formatJoinToken({ ...newJoinToken(), authorityHash: authorityHash(ours) });
    expect(text).toMatch(/^K10[0-9a-f]{64}::[a-z0-9]{6}\.[a-z0-9]{16}$/);
    const token = parseJoinToken(`${text}\n`);
    if (!token) throw new Error("not parsed");
    expect([ours, renewed, other, "no certificate"].map((pem) => fitsAuthority(token, pem))).toEqual([true, true, false, false]);
    expect(fitsAuthority({ ...token, authorityHash: undefined }, other)).toBe(true);
  });

  test.each(["", "abc", "abcdef.short", "ABCDEF.0123456789abcdef", "K10abc::abcdef.0123456789abcdef", "abcdef.0123456789abcdef0"])(
    "%j is no token",
    (text) => {
      expect(parseJoinToken(text)).toBeUndefined();
    },
  );
});
