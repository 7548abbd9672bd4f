import { kubernetesVersion, version } from "../../lib/version.ts";
import type { CliCommand } from "../command.ts";

/** `hue version` */
export const versionCommand: CliCommand = {
  usage: "version",
  description: "Print the versions of hue, Kubernetes and Node",
  options: [],
  run() {
    console.log(`hue ${version}\nKubernetes ${kubernetesVersion.gitVersion}\nNode ${process.version}`);
    return 0;
  },
};
