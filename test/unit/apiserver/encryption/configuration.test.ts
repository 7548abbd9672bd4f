import { describe, expect, test } from "vitest";
import { covers, readEncryptionConfiguration } from "../../../../src/apiserver/encryption/configuration.ts";

const key = { name: "key1", secret: Buffer.alloc(32, 1).toString("base64") };
const file = (...resources: unknown[]): string =>
  JSON.stringify({ apiVersion: "apiserver.config.k8s.io/v1", kind: "EncryptionConfiguration", resources });
const provider = (one: unknown): string => file({ resources: ["secrets"], providers: [one] });
const names = (...resources: string[]): string => file({ resources, providers: [{ identity: {} }] });
const kms = (more: object): string => provider({ kms: { apiVersion: "v2", name: "foo", endpoint: "unix:///tmp/kms.sock", ...more } });

test("the example of Kubernetes' documentation", () => {
  const yaml = `
---
# CAUTION: this is an example configuration.
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources:
      - secrets
      - configmaps
      - pandas.awesome.bears.example
    providers:
      - identity: {} # plain text, in other words NO encryption
      - aesgcm:
          keys:
            - name: key1
              secret: c2VjcmV0IGlzIHNlY3VyZQ==
            - name: key2
              secret: dGhpcyBpcyBwYXNzd29yZA==
      - aescbc:
          keys:
            - name: key1
              secret: c2VjcmV0IGlzIHNlY3VyZQ==
      - secretbox:
          keys:
            - name: key1
              secret: YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY=
  - resources:
      - events
    providers:
      - identity: {} # do not encrypt Events even though *.* is specified below
  - resources:
      - '*.apps'
    providers:
      - aescbc:
          keys:
          - name: key2
            secret: c2VjcmV0IGlzIHNlY3VyZSwgb3IgaXMgaXQ/Cg==
  - resources:
      - '*.*'
    providers:
      - kms:
          apiVersion: v2
          name: myKmsPlugin
          endpoint: unix:///tmp/socketfile.sock
          timeout: 3s
`.replace("c2VjcmV0IGlzIHNlY3VyZSwgb3IgaXMgaXQ/Cg==", "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY=");
  const entries = readEncryptionConfiguration(yaml);
  expect(entries[0]?.providers.map(({ type }) => type)).toEqual(["identity", "aesgcm", "aescbc", "secretbox"]);
  expect(entries[3]?.providers).toEqual([{ type: "kms", name: "myKmsPlugin", socket: "/tmp/socketfile.sock", timeout: 3000 }]);
  const which = (resource: string): number => entries.findIndex((entry) => covers(entry, resource));
  expect(["/secrets", "/events", "apps/deployments", "awesome.bears.example/pandas", "batch/jobs", "/pods"].map(which)).toEqual([
    0, 1, 2, 0, 3, 3,
  ]);
});

test("*. is the core group", () => {
  const [entry] = readEncryptionConfiguration(names("*."));
  expect(["/secrets", "/pods", "apps/deployments"].map((resource) => entry && covers(entry, resource))).toEqual([true, true, false]);
});

/** Upstream's validation, in its words. */
test("the kind has another name, which old files use", () => {
  const resources = [{ resources: ["secrets"], providers: [{ identity: {} }, { aescbc: { keys: [key] } }] }];
  const former = JSON.stringify({ apiVersion: "v1", kind: "EncryptionConfig", resources });
  expect(readEncryptionConfiguration(former)).toEqual(readEncryptionConfiguration(file(...resources)));
  expect(() => readEncryptionConfiguration(former.replace("v1", "v2"))).toThrow(
    'no kind "EncryptionConfig" is registered for version "v2"',
  );
});

describe("is refused", () => {
  test.each([
    ["nothing in it", file(), "resources: Required value: at least one resources is required"],
    ["no resources", names(), "resources[0].resources: Required value: at least one resources[0].resources is required"],
    ["no providers", file({ resources: ["secrets"], providers: [] }), "resources[0].providers: Required value"],
    [
      "an empty provider",
      provider({}),
      "provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity",
    ],
    ["two in one", provider({ identity: {}, aesgcm: { keys: [key] } }), "more than one provider specified in a single element"],
    ["an unknown provider", provider({ rot13: {} }), 'unknown field "resources[0].providers[0].rot13"'],
    ["no keys", provider({ aescbc: { keys: [] } }), "aescbc.keys: Required value: at least one keys is required"],
    [
      "a key without a name",
      provider({ aescbc: { keys: [{ secret: key.secret }] } }),
      "keys[0].name: Required value: name is a mandatory field for a key",
    ],
    ["a key without a secret", provider({ aesgcm: { keys: [{ name: "a" }] } }), "secret is a mandatory field for a key"],
    [
      "no base64",
      provider({ aesgcm: { keys: [{ name: "a", secret: "§" }] } }),
      'Invalid value: "REDACTED": secrets must be base64 encoded',
    ],
    [
      "a short key",
      provider({ secretbox: { keys: [{ name: "a", secret: "YQ==" }] } }),
      'keys[0].secret: Invalid value: "REDACTED": secret is not of the expected length, got 1, expected one of [32]',
    ],
    ["KMS v1", kms({ apiVersion: "v1" }), "KMSv1 is deprecated and will only receive security updates going forward"],
    ["a KMS of no version", kms({ apiVersion: "v3" }), "only v1 and v2 are supported"],
    ["a KMS over TCP", kms({ endpoint: "tcp://localhost:1" }), 'unsupported scheme "tcp" for KMS provider, only unix is supported'],
    ["a KMS with a colon", kms({ name: "a:b" }), "invalid KMS provider name a:b, must not contain ':'"],
    ["a KMS without time", kms({ timeout: "0s" }), "timeout should be a positive value"],
    ["a cache", kms({ cachesize: 10 }), "cachesize is not supported in v2"],
    ["twice the same", names("secrets", "secrets"), "the same resource cannot be specified multiple times"],
    ["what is masked", names("secrets", "*."), "using overlapping resources such as 'secrets' and '*.'"],
    ["what all masks", names("*.*", "pods"), "using overlapping resources"],
    ["a star alone", names("*"), "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources"],
    ["capitals", names("Secrets"), "resource name should not contain capital letters"],
    ["events by their other group", names("events.events.k8s.io"), "Use 'events' instead in the config file"],
    ["extensions", names("ingresses.extensions"), "'extensions' group has been removed and cannot be used for encryption"],
    ["a resource of all groups", names("secrets.*"), "encrypting the same resource across groups is not supported"],
    ["what is no resource", names("serviceipallocations"), "resources which do not have REST API/s cannot be encrypted"],
  ])("%s", (_, text, message) => {
    expect(() => readEncryptionConfiguration(text)).toThrow(message);
  });

  test("the same KMS name twice", () => {
    const one = { kms: { apiVersion: "v2", name: "foo", endpoint: "unix:///tmp/a" } };
    const text = file({ resources: ["secrets"], providers: [one] }, { resources: ["pods"], providers: [one] });
    expect(() => readEncryptionConfiguration(text)).toThrow("duplicate KMS provider name foo, names must be unique");
  });
});
