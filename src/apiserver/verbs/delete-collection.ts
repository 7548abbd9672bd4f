import { isReason } from "../../api/errors.ts";
import type { Call, DeleteOptions, ListOptions } from "../call.ts";
import type { VerbContext } from "./context.ts";
import { removeObject } from "./delete.ts";
import { type Listed, listObjects } from "./list.ts";

/** How many deletes are on their way at once. */
const width = 32;

/** Deletes everything that the options select, and answers the list of it. */
export async function deleteCollection(context: VerbContext, call: Call, options: DeleteOptions, selection: ListOptions): Promise<Listed> {
  const listed = await listObjects(context, call, selection);
  for (let from = 0; from < listed.items.length; from += width) {
    const part = listed.items.slice(from, from + width);
    const deleting = part.map(async ({ object: { metadata } }) => {
      const one: Call = { ...call, namespace: metadata.namespace ?? "", name: metadata.name ?? "" };
      try {
        await removeObject(context, one, options);
      } catch (error) {
        // Somebody else was faster.
        if (!isReason(error, "NotFound")) throw error;
      }
    });
    await Promise.all(deleting);
  }
  return listed;
}
