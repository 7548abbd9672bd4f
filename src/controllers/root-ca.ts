import { ConfigMaps, Namespaces } from "../api/types/resources.ts";
import { type ControllerFactory, watch } from "../client/controller.ts";
import { ignoreExistingOrTerminating } from "./service-account.ts";

const name = "kube-root-ca.crt";
const annotations = {
  "kubernetes.io/description":
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.",
};

/** Each namespace has a ConfigMap with the authority that pods need in order to trust the API server. */
export function rootCAPublisher({ rootCA }: { rootCA: () => string }): ControllerFactory {
  return ({ client, caches }) => {
    const namespaces = caches.of(Namespaces);
    const maps = caches.of(ConfigMaps, { fieldSelector: `metadata.name=${name}` });
    return {
      name: "root-ca-certificate-publisher",
      watches: [watch(namespaces, (namespace) => [namespace.metadata.name]), watch(maps, ({ metadata }) => [metadata.namespace])],
      async reconcile(namespace) {
        const object = namespaces.byKey(namespace);
        if (!object || object.metadata.deletionTimestamp) return;
        const data = { "ca.crt": rootCA() };
        const old = maps.get(namespace, name);
        if (!old)
          await client
            .create(ConfigMaps, { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace, name, annotations }, data })
            .catch(ignoreExistingOrTerminating);
        else if (old.data?.["ca.crt"] !== data["ca.crt"] || Object.keys(old.data).length > 1)
          await client.update(ConfigMaps, {
            ...old,
            data,
            metadata: { ...old.metadata, annotations: { ...old.metadata.annotations, ...annotations } },
          });
      },
    };
  };
}
