import { keyOf } from "../api/meta/object.ts";
import { parseTime } from "../api/meta/time.ts";
import { Secrets } from "../api/types/resources.ts";
import { type ControllerFactory, watch } from "../client/controller.ts";
import { ignoreMissing } from "./ownership.ts";

/** Removes bootstrap tokens when their time is over. */
export const createBootstrapTokenCleaner: ControllerFactory = ({ client, caches, clock }) => {
  const secrets = caches.of(Secrets);
  return {
    name: "token-cleaner",
    watches: [
      watch(secrets, (s) => (s.type === "bootstrap.kubernetes.io/token" && s.metadata.namespace === "kube-system" ? [keyOf(s)] : [])),
    ],
    async reconcile(key) {
      const secret = secrets.byKey(key);
      const text = Buffer.from(secret?.data?.["expiration"] ?? "", "base64").toString();
      if (!secret || !text) return;
      // What cannot be read counts as passed, as for authentication.
      const left = (parseTime(text) ?? 0) - clock.now();
      if (left > 0) return left;
      await client.delete(Secrets, secret.metadata, { preconditions: { uid: secret.metadata.uid } }).catch(ignoreMissing);
    },
  };
};
