import { createHash } from "node:crypto";
import type { Container } from "../../api/types/core.v1.ts";

/** What a running container is compared by: everything else in its spec cannot change, or changes without a restart (resources). */
export function specHash(container: Pick<Container, "name" | "image">): string {
  return createHash("sha256").update(`${container.name}\n${container.image}`).digest("hex").slice(0, 16);
}
