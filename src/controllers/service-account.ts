import { isReason } from "../api/errors.ts";
import { Namespaces, ServiceAccounts } from "../api/types/resources.ts";
import { type ControllerFactory, watch } from "../client/controller.ts";

const name = "default";

/** For a catch: that the object is there already, or its namespace is going, is fine. */
export function ignoreExistingOrTerminating(error: unknown): void {
  const terminating = isReason(error, "Forbidden") && error.status.details?.causes?.some((c) => c.reason === "NamespaceTerminating");
  if (!terminating && !isReason(error, "AlreadyExists") && !isReason(error, "NotFound")) throw error;
}

/** Each namespace has a service account named default. */
export const createServiceAccountController: ControllerFactory = ({ client, caches }) => {
  const namespaces = caches.of(Namespaces);
  const accounts = caches.of(ServiceAccounts);
  return {
    name: "serviceaccount",
    watches: [
      watch(namespaces, (namespace) => [namespace.metadata.name]),
      watch(accounts, ({ metadata }) => (metadata.name === name ? [metadata.namespace] : [])),
    ],
    async reconcile(namespace) {
      const object = namespaces.byKey(namespace);
      if (!object || object.metadata.deletionTimestamp || accounts.get(namespace, name)) return;
      await client
        .create(ServiceAccounts, { apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace, name } })
        .catch(ignoreExistingOrTerminating);
    },
  };
};
