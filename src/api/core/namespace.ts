import type { KindRules } from "../kind.ts";
import * as fault from "../meta/field-errors.ts";
import { checkQualifiedName } from "../meta/names.ts";
import { age } from "../meta/time.ts";
import type { Namespace } from "../types/core.v1.ts";

const nameLabel = "kubernetes.io/metadata.name";
const finalizer = "kubernetes";

/** The rules of Namespaces. Their finalizers change by the subresource finalize only. */
export const namespaceRules: KindRules<Namespace> = {
  default({ metadata }) {
    // A generated name is not known yet at the first pass.
    if (metadata.name) metadata.labels = { ...metadata.labels, [nameLabel]: metadata.name };
  },
  prepareForCreate(namespace) {
    namespace.status = { phase: "Active" };
    if (namespace.metadata.name) namespace.metadata.labels = { ...namespace.metadata.labels, [nameLabel]: namespace.metadata.name };
    namespace.spec ??= {};
    namespace.spec.finalizers = [...new Set([...(namespace.spec.finalizers ?? []), finalizer])];
  },
  prepareForUpdate(namespace, old) {
    namespace.spec = structuredClone(old.spec ?? {});
  },
  validate: ({ spec }) =>
    (spec?.finalizers ?? []).flatMap((name) => {
      const wrong = fault.checked("spec.finalizers", name, checkQualifiedName);
      if (name.includes("/") || name === finalizer) return wrong;
      return [...wrong, fault.invalid("spec.finalizers", name, "name is neither a standard finalizer name nor is it fully qualified")];
    }),
  validateStatusUpdate: ({ metadata, status }) => {
    const wanted = metadata.deletionTimestamp ? "Terminating" : "Active";
    if (status?.phase === wanted) return [];
    const when = metadata.deletionTimestamp ? "not empty" : "empty";
    return [fault.invalid("status.Phase", status?.phase ?? "", `may only be '${wanted}' if \`deletionTimestamp\` is ${when}`)];
  },
  cells: ({ metadata, status }, now) => [metadata.name, status?.phase ?? "", age(metadata.creationTimestamp, now)],
  fields: { name: ({ metadata }) => metadata.name ?? "", "status.phase": ({ status }) => status?.phase ?? "" },
};
