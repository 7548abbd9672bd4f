import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rulesOf } from "../../../src/api/kinds.ts";
import { builtInResources } from "../../../src/api/resource.ts";
import { type RunningServer, startServer } from "./running-server.ts";

/** What upstream's versions let field selectors name, beside metadata.name and metadata.namespace. */
const selectable: Record<string, string[]> = {
  "v1 pods": [
    "spec.hostNetwork",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.nominatedNodeName",
    "status.phase",
    "status.podIP",
    "status.podIPs",
  ],
  "v1 nodes": ["spec.unschedulable"],
  "v1 namespaces": ["name", "status.phase"],
  "v1 secrets": ["type"],
  "v1 services": ["spec.clusterIP", "spec.type"],
  "v1 replicationcontrollers": ["status.replicas"],
  "v1 events": [
    "involvedObject.apiVersion",
    "involvedObject.fieldPath",
    "involvedObject.kind",
    "involvedObject.name",
    "involvedObject.namespace",
    "involvedObject.resourceVersion",
    "involvedObject.uid",
    "reason",
    "reportingComponent",
    "source",
    "type",
  ],
  "apps/v1 replicasets": ["status.replicas"],
  "batch/v1 jobs": ["status.successful"],
  "certificates.k8s.io/v1 certificatesigningrequests": ["spec.signerName"],
  "resource.k8s.io/v1 resourceslices": ["spec.driver", "spec.nodeName"],
};

test.each(builtInResources().filter(({ groupVersion }) => groupVersion !== "events.k8s.io/v1"))(
  "field selectors of $groupVersion $plural name what upstream's do",
  (info) => {
    const fields = Object.keys(rulesOf(info).fields ?? {}).sort();
    expect(fields).toEqual(selectable[`${info.groupVersion} ${info.plural}`] ?? []);
  },
);

describe("a list that cannot be", () => {
  let running: RunningServer;
  beforeAll(async () => {
    running = await startServer();
  });
  afterAll(() => running.stop());

  test.each([
    ["resourceVersionMatch=Exact", 422, "resourceVersionMatch is forbidden unless resourceVersion is provided"],
    ["resourceVersionMatch=Exact&resourceVersion=0", 422, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'],
    ["resourceVersionMatch=Newest&resourceVersion=1", 422, 'supported values: "Exact", "NotOlderThan", ""'],
    ["resourceVersion=x", 400, "invalid resource version"],
    ["sendInitialEvents=true", 422, "sendInitialEvents is forbidden for list"],
    ["continue=x&resourceVersion=5", 400, "specifying resource version is not allowed when using continue"],
    ["fieldSelector=data.x=1", 400, '"data.x" is not a known field selector: only "metadata.name", "metadata.namespace"'],
    ["resourceVersion=999999", 504, "Too large resource version: 999999"],
  ])("%s", async (query, code, message) => {
    const answer = await running.request("GET", `/api/v1/namespaces/default/configmaps?${query}`);
    expect(answer.code).toBe(code);
    expect(answer.body.message).toContain(message);
  });
});
