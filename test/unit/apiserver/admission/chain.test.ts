import { beforeEach, expect, test } from "vitest";
import { resource } from "../../../../src/api/resource.ts";
import type { AdmissionPlugin, AdmissionRequest } from "../../../../src/apiserver/admission/admission.ts";
import { AdmissionChain } from "../../../../src/apiserver/admission-chain.ts";

let calls: string[];
beforeEach(() => {
  calls = [];
});

function plugin(name: string, more: Partial<AdmissionPlugin> = {}): AdmissionPlugin {
  return { name, admit: () => void calls.push(`${name} admits`), validate: () => void calls.push(`${name} validates`), ...more };
}

const requestFor = (groupVersion: string, plural: string): AdmissionRequest =>
  ({ operation: "CREATE", resource: resource(groupVersion, plural) }) as AdmissionRequest; // more the chain does not look at

test("writes come by those plugins that look at their resource, in order", async () => {
  const chain = new AdmissionChain([
    plugin("all"),
    plugin("pods", { resources: ["pods"] }),
    plugin("ingresses", { resources: ["ingresses.networking.k8s.io"] }),
  ]);
  const seen = async (groupVersion: string, plural: string): Promise<string[]> => {
    calls = [];
    await chain.admit(requestFor(groupVersion, plural));
    return calls;
  };
  expect(await seen("v1", "pods")).toEqual(["all admits", "pods admits"]);
  expect(await seen("networking.k8s.io/v1", "ingresses")).toEqual(["all admits", "ingresses admits"]);
  expect(await seen("v1", "configmaps")).toEqual(["all admits"]);
});

test("plugins that wait are waited for, and a refusal ends the chain", async () => {
  const late = async (): Promise<void> => {
    await Promise.resolve();
    calls.push("late");
  };
  const refuse = (): void => {
    throw new Error("no");
  };
  const chain = new AdmissionChain([
    plugin("slow", { admit: late, validate: late }),
    plugin("strict", { validate: refuse }),
    plugin("last"),
  ]);
  const request = requestFor("v1", "pods");
  await chain.admit(request);
  expect(calls).toEqual(["late", "strict admits", "last admits"]);
  await expect(async () => chain.validate(request)).rejects.toThrow("no");
  expect(calls).toEqual(["late", "strict admits", "last admits", "late"]);
});

test("all mutating plugins run once more after a webhook that asked for it", async () => {
  const webhook = (request: AdmissionRequest): void => void (request.pass ??= "wants second");
  const chain = new AdmissionChain([plugin("first"), plugin("webhook", { admit: webhook })]);
  const request = requestFor("v1", "pods");
  await chain.admit(request);
  expect(calls).toEqual(["first admits", "first admits"]);
  expect(request.pass).toBe("second");
});
