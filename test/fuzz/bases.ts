import { readdirSync, readFileSync } from "node:fs";
import { parseAllDocuments } from "yaml";
import { collectionOf, pathOf } from "../differential/server.ts";
import type { Json } from "./values.ts";

/** A valid object, and where it belongs. */
export interface Base {
  kind: string;
  object: { [key: string]: Json };
  collection: string;
  path: string;
  /** Kept as it were, the next requests would be answered by others than the server: webhooks, policies, extension servers. */
  dryRunOnly: boolean;
}

const folder = new URL("../differential/objects/", import.meta.url);
const decisive =
  /Webhook|AdmissionPolicy|APIService|FlowSchema|PriorityLevel|^Node$|^Namespace$|ClusterRole|ServiceCIDR|CustomResourceDefinition/;

/** One valid object of every kind that the differential test knows. */
export const bases: readonly Base[] = readdirSync(folder)
  .flatMap((file) => parseAllDocuments(readFileSync(new URL(file, folder), "utf8")))
  .map((document): Base => {
    const object = document.toJS() as Parameters<typeof pathOf>[0] & { [key: string]: Json };
    return { kind: object.kind, object, collection: collectionOf(object), path: pathOf(object), dryRunOnly: decisive.test(object.kind) };
  });
