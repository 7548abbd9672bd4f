import { homedir } from "node:os";
import { join } from "node:path";
import { kubeconfigYaml, mergeKubeconfig } from "../../pki/kubeconfig.ts";
import type { CliCommand } from "../command.ts";
import { connectionOptions, findKubeconfig } from "../connection.ts";
import { text } from "./node-options.ts";
import { UsageError } from "../usage-error.ts";

/** `hue kubeconfig [merge]` */
export const kubeconfigCommand: CliCommand = {
  usage: "kubeconfig [action]",
  description: "Print the administrator's kubeconfig, or merge it into the user's own",
  options: [
    ...connectionOptions,
    { flag: "into", type: "string", value: "FILE", description: "The file that merge adds to (default: KUBECONFIG or ~/.kube/config)" },
  ],
  examples: ["kubeconfig > hue.yaml", "kubeconfig merge"],
  async run({ words, options, env }) {
    const { content } = findKubeconfig(options, env);
    const action = words[0] ?? "print";
    if (action === "print") {
      process.stdout.write(kubeconfigYaml(content));
    } else if (action === "merge") {
      const into = text(options, "into") || env["KUBECONFIG"]?.split(":")[0] || join(homedir(), ".kube", "config");
      await mergeKubeconfig(into, content);
      console.log(`merged into ${into}; kubectl config use-context ${content["current-context"]}`);
    } else {
      throw new UsageError(`kubeconfig knows print and merge, not "${action}"`);
    }
    return 0;
  },
};
