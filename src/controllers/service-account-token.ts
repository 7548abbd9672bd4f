import { keyOf } from "../api/meta/object.ts";
import type { Secret } from "../api/types/core.v1.ts";
import { Secrets, ServiceAccounts } from "../api/types/resources.ts";
import { type ControllerFactory, watch } from "../client/controller.ts";
import { ignoreMissing } from "./ownership.ts";
import type { ClusterSettings } from "./settings.ts";

const type = "kubernetes.io/service-account-token";
const nameAnnotation = "kubernetes.io/service-account.name";
const uidAnnotation = "kubernetes.io/service-account.uid";

const encode = (text: string): string => Buffer.from(text).toString("base64");

/** Fills Secrets that ask for a token of a service account, and removes those whose account is gone. */
export function serviceAccountTokens({ rootCA, signToken }: Pick<ClusterSettings, "rootCA" | "signToken">): ControllerFactory {
  return ({ client, caches }) => {
    const secrets = caches.of(Secrets);
    const accounts = caches.of(ServiceAccounts);
    secrets.addIndex("token of account", (secret) =>
      secret.type === type ? [`${secret.metadata.namespace}/${secret.metadata.annotations?.[nameAnnotation] ?? ""}`] : [],
    );

    async function fill(secret: Secret, account: { name: string; uid: string }): Promise<void> {
      const { namespace, name } = secret.metadata;
      const data: Record<string, string> = { ...secret.data, "ca.crt": encode(rootCA()), namespace: encode(namespace) };
      data["token"] ||= encode(await signToken({ namespace, serviceAccount: account.name, uid: account.uid, secret: name }));
      const annotations = { ...secret.metadata.annotations, [uidAnnotation]: account.uid };
      const same = Object.entries(data).every(([key, value]) => secret.data?.[key] === value);
      if (same && secret.metadata.annotations?.[uidAnnotation] === account.uid) return;
      await client.update(Secrets, { ...secret, data, metadata: { ...secret.metadata, annotations } });
    }

    return {
      name: "serviceaccount-token",
      watches: [
        watch(secrets, (secret) => (secret.type === type ? [keyOf(secret)] : [])),
        watch(accounts, (account) => secrets.byIndex("token of account", keyOf(account)).map(keyOf)),
      ],
      async reconcile(key) {
        const secret = secrets.byKey(key);
        if (!secret || secret.metadata.deletionTimestamp) return;
        const { namespace, annotations } = secret.metadata;
        const wanted = { namespace, name: annotations?.[nameAnnotation] ?? "" };
        // The account may be newer than the cache: asked for live before anything is deleted.
        const account = accounts.get(namespace, wanted.name) ?? (await client.get(ServiceAccounts, wanted).catch(ignoreMissing));
        const uid = annotations?.[uidAnnotation];
        if (account && (!uid || uid === account.metadata.uid)) await fill(secret, account.metadata);
        else await client.delete(Secrets, secret.metadata, { preconditions: { uid: secret.metadata.uid } }).catch(ignoreMissing);
      },
    };
  };
}
