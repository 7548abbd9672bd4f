import type { Request } from "./message.ts";
import type { Random } from "./random.ts";
import { broken, bytesOf, wild } from "./values.ts";

const reviewPaths = [
  "authentication.k8s.io/v1/tokenreviews",
  "authentication.k8s.io/v1/selfsubjectreviews",
  "authorization.k8s.io/v1/subjectaccessreviews",
  "authorization.k8s.io/v1/selfsubjectrulesreviews",
  "authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews",
];

export function reviews(random: Random): Request {
  if (random.chance(0.3)) {
    const path = random.pick([
      "/api/v1/namespaces/default/serviceaccounts/default/token",
      "/api/v1/namespaces/default/pods/base/binding",
      "/api/v1/namespaces/default/pods/base/eviction",
      "/api/v1/namespaces/default/bindings",
    ]);
    const object = {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: { audiences: wild(random), expirationSeconds: wild(random), boundObjectRef: wild(random) },
      target: wild(random),
    };
    return { method: "POST", path: `${path}?dryRun=All`, body: bytesOf(random.chance(0.5) ? broken(object, random) : object, random) };
  }
  const path = random.pick(reviewPaths);
  const spec = {
    token: random.pick(["x", "a.b.c", "e30.e30.e30", ""]),
    user: "u",
    groups: wild(random, 1),
    extra: wild(random, 2),
    namespace: wild(random, 0),
    resourceAttributes: wild(random, 2),
    nonResourceAttributes: wild(random, 1),
  };
  return { method: "POST", path: `/apis/${path}`, body: bytesOf({ spec }, random) };
}
