import { expect, test } from "vitest";
import { parseRequestPath } from "../../../src/apiserver/request-path.ts";

// "Determine the Request Verb" and the resource URIs of the Kubernetes API concepts.
test.each([
  ["GET", "/api/v1/namespaces/ns/pods", "list pods ns/"],
  ["HEAD", "/api/v1/namespaces/ns/pods", "list pods ns/"],
  ["GET", "/api/v1/pods?watch=true", "watch pods /"],
  ["GET", "/api/v1/pods?watch=0", "list pods /"],
  ["GET", "/api/v1/watch/namespaces/ns/pods/p", "watch pods ns/p"],
  ["GET", "/api/v1/namespaces/ns/pods/p", "get pods ns/p"],
  ["GET", "/api/v1/namespaces/ns/pods/p?watch=1", "watch pods ns/p"],
  ["GET", "/api/v1/namespaces/ns/pods/p/log?watch=1", "get pods/log ns/p"],
  ["POST", "/api/v1/namespaces/ns/pods", "create pods ns/"],
  ["POST", "/api/v1/namespaces/ns/pods/", "create pods ns/"],
  ["POST", "/api/v1/namespaces/ns/pods/p/exec", "create pods/exec ns/p"],
  ["PUT", "/apis/apps/v1/namespaces/ns/deployments/d/scale", "update deployments.apps/scale ns/d"],
  ["PATCH", "/apis/apps/v1/namespaces/ns/deployments/d", "patch deployments.apps ns/d"],
  ["DELETE", "/apis/apps/v1/namespaces/ns/deployments/d", "delete deployments.apps ns/d"],
  ["DELETE", "/apis/apps/v1/namespaces/ns/deployments", "deletecollection deployments.apps ns/"],
  ["GET", "/api/v1/namespaces", "list namespaces /"],
  ["GET", "/api/v1/namespaces/ns", "get namespaces ns/ns"],
  ["PUT", "/api/v1/namespaces/ns/finalize", "update namespaces/finalize ns/ns"],
  ["GET", "/api/v1/nodes/a%20b", "get nodes /a b"],
  ["GET", "/healthz", "get /healthz"],
  ["POST", "/apis/apps", "post /apis/apps"],
])("%s %s asks to %s", (method, url, expected) => {
  const [path = "", query = ""] = url.split("?");
  const { isResource, verb, resource, group, subresource, namespace, name } = parseRequestPath(method, path, new URLSearchParams(query));
  const what = `${resource}${group && `.${group}`}${subresource && `/${subresource}`} ${namespace}/${name}`;
  expect(`${verb} ${isResource ? what : path}`).toBe(expected);
});
