import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, createCluster } from "../../src/index.ts";
import { type Kubectl, kubectlFor, type Result } from "../support/kubectl.ts";
import { mistakes } from "./kubectl-mistakes.ts";

/** What Kubernetes' own API server v1.36.3 made kubectl say of each, in the same order. */
const answers = JSON.parse(readFileSync(new URL("kubectl-mistakes.json", import.meta.url), "utf8")) as Result[];

const folder = mkdtempSync(join(tmpdir(), "hue-mistakes-"));
let cluster: Cluster;
let kubectl: Kubectl;
beforeAll(async () => {
  cluster = await createCluster();
  writeFileSync(join(folder, "kubeconfig"), cluster.kubeconfig, { mode: 0o600 });
  const administrator = kubectlFor(join(folder, "kubeconfig"));
  await administrator("create", "namespace", "mistakes");
  kubectl = administrator.in("mistakes");
  await kubectl("wait", "--for=create", "serviceaccount/default", "configmap/kube-root-ca.crt", "--timeout=20s");
});
afterAll(async () => {
  await cluster.stop();
  rmSync(folder, { recursive: true });
});

test.each(mistakes.map((mistake, i) => ({ ...mistake, title: mistake.args.join(" "), answer: answers[i] })))(
  "kubectl $title",
  async ({ args, input, answer }) => expect(await kubectl.run(args, input)).toEqual(answer),
);
