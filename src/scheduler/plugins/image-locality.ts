import type { Plugin } from "../framework.ts";
import type { NodeInfo } from "../node-info.ts";

const megabyte = 1024 * 1024;
const least = 23 * megabyte;
const mostPerContainer = 1000 * megabyte;

/** "busybox" is kept by the node as "busybox:latest" or "docker.io/library/busybox:latest". */
function normalized(image: string): string {
  return image.includes("@") || image.slice(image.lastIndexOf("/") + 1).includes(":") ? image : `${image}:latest`;
}

/** ImageLocality: prefers nodes that have the pod's images, the more so the larger they are and the more nodes have them. */
export const imageLocality: Plugin = {
  name: "ImageLocality",
  score({ pod }, world) {
    const images = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].flatMap((c) => (c.image ? [normalized(c.image)] : []));
    const known = images.filter((image) => world.imageNodes.get(image));
    if (known.length === 0) return undefined;
    const most = mostPerContainer * images.length;
    const share = (image: string): number => (world.imageNodes.get(image) ?? 0) / world.nodes.length;
    return {
      score(node: NodeInfo) {
        const sum = known.reduce((bytes, image) => bytes + Math.floor((node.images.get(image) ?? 0) * share(image)), 0);
        return Math.floor((100 * (Math.min(Math.max(sum, least), most) - least)) / (most - least));
      },
    };
  },
  wakes: () => false,
};
