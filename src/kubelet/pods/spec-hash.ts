import { createHash } from "node:crypto";
import type { Container } from "../../api/types/core.v1.ts";

/** Of containers that are the same object in the pods of a template: one text for all of them. */
const known = new WeakMap<object, string>();

/** What a running container is compared by: everything else in its spec cannot change, or changes without a restart (resources). */
export function specHash(container: Readonly<Pick<Container, "name" | "image">>): string {
  let hash = known.get(container);
  if (hash === undefined) {
    hash = createHash("sha256").update(`${container.name}\n${container.image}`).digest("hex").slice(0, 16);
    known.set(container, hash);
  }
  return hash;
}
