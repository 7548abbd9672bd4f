/**
 * Deploys the Hue platform to a running cluster: builds its images, applies staging and production, shows progress, calls the front by
 * its Service and by its Ingress, and prints what to try next. `npm run example`, with KUBECONFIG set or a server on the default folder.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { request } from "node:http";
import { tool } from "../../test/support/kubectl.ts";

const here = new URL(".", import.meta.url).pathname;
const kubeconfig = process.env["KUBECONFIG"] ?? "/var/lib/hue/kubeconfig.yaml";
const ingressPort = Number(process.env["HUE_INGRESS_HTTP_PORT"] ?? 80);

if (!existsSync(kubeconfig)) {
  console.error(`no cluster: ${kubeconfig} is not there; start one with npm start, or set KUBECONFIG`);
  process.exit(1);
}

try {
  await deploy();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

async function deploy(): Promise<void> {
  step("building images from busybox (nothing is pulled)");
  await run("sh", [`${here}images/build.sh`]);
  for (const overlay of ["staging", "production"]) {
    step(`applying ${overlay}`);
    await kubectl(["apply", "-k", `${here}overlays/${overlay}`]);
  }
  for (const namespace of ["staging", "production"]) {
    step(`waiting for ${namespace}`);
    for (const workload of ["statefulset/hue-store", "deployment/hue-learn", "deployment/hue-reminders", "deployment/hue-front"])
      await kubectl(["-n", namespace, "rollout", "status", workload, "--timeout=180s"]);
    await kubectl(["-n", namespace, "wait", "--for=condition=Ready", "pod/hue-music", "pod/hue-fitness", "--timeout=120s"]);
    await kubectl(["-n", namespace, "wait", "--for=condition=Complete", "job/factorial5", "--timeout=120s"]);
  }
  await kubectl(["-n", "production", "rollout", "status", "daemonset/hue-collect-proxy", "--timeout=120s"]);
  await kubectl(["-n", "restricted", "rollout", "status", "deployment/hue-finance", "--timeout=120s"]);
  step("noting a reminder of gigi's, and calling the front through its Service");
  await kubectl([
    "-n",
    "production",
    "exec",
    "deploy/hue-front",
    "--",
    "wget",
    "-q",
    "-O",
    "-",
    "--post-data",
    "Buy bread",
    "http://hue-reminders:8080/cgi-bin/mine?user=gigi",
  ]);
  await kubectl(["get", "--raw", "/api/v1/namespaces/production/services/hue-front:80/proxy/cgi-bin/reminders?user=gigi"]);
  step(`calling it through the Ingress, http://front.hue.example on port ${ingressPort} of the node`);
  console.log(await ingress("/cgi-bin/reminders?user=gigi"));
  step("the platform is up; try next");
  console.log(`  export KUBECONFIG=${kubeconfig}
  kubectl get pods -A -o wide
  kubectl -n production logs job/factorial5
  kubectl -n production delete pod -l service=reminders    (and see them replaced)
  kubectl -n production scale deployment hue-learn --replicas=5
  curl -H 'Host: front.hue.example' http://127.0.0.1:${ingressPort}/
  kubectl delete namespace staging production restricted    (removes it all)`);
}

function step(text: string): void {
  console.log(`\n== ${text}`);
}

function kubectl(args: readonly string[]): Promise<void> {
  const onPath = spawnSync("sh", ["-c", "command -v kubectl"]).status === 0;
  return run(onPath ? "kubectl" : tool("kubectl"), ["--kubeconfig", kubeconfig, ...args]);
}

function run(program: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"] });
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve() : reject(new Error(`${program} ${args.join(" ")}: exit code ${code}`))));
  });
}

function ingress(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ host: "127.0.0.1", port: ingressPort, path, headers: { host: "front.hue.example" } }, (reply) => {
      let text = "";
      reply.on("data", (chunk) => (text += chunk));
      reply.on("end", () =>
        reply.statusCode === 200 ? resolve(text) : reject(new Error(`the Ingress answers ${reply.statusCode}: ${text}`)),
      );
    });
    call.on("error", reject);
    call.end();
  });
}
