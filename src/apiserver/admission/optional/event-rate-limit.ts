import { StatusError } from "../../../api/errors.ts";
import type { Event } from "../../../api/types/core.v1.ts";
import { BoundedMap } from "../../../lib/bounded-map.ts";
import type { Clock } from "../../../lib/clock.ts";
import { configurationOf, integer, list, object, oneOf, text } from "../../configuration/shape.ts";
import type { AdmissionPlugin, AdmissionRequest } from "../admission.ts";
import { isFor } from "../request.ts";

const kind = {
  versions: ["eventratelimit.admission.k8s.io/v1alpha1"],
  kind: "Configuration",
  fields: { limits: list(object({ type: text, qps: integer, burst: integer, cacheSize: integer })) },
};

/** What counts together, by a limit's type. */
const keys = {
  Server: () => "",
  Namespace: ({ namespace }: AdmissionRequest) => namespace,
  User: ({ user }: AdmissionRequest) => user.name,
  SourceAndObject({ object: sent }: AdmissionRequest) {
    const { source, involvedObject: about } = sent as Event; // Asked for Events only.
    return [source?.component, source?.host, about?.kind, about?.namespace, about?.name, about?.uid, about?.apiVersion].join("");
  },
};

/** What may still pass, and when that was reckoned. */
interface Bucket {
  tokens: number;
  at: number;
}

/** Refuses Events that come faster than the configuration's limits allow, with 429. Throws for a configuration that makes no sense. */
export function eventRateLimit(clock: Clock, configuration: unknown): AdmissionPlugin {
  const { limits = [] } = configurationOf(configuration, kind);
  if (limits.length === 0) throw new Error("limits: must not be empty");
  const enforced = limits.map(({ type, qps = 0, burst = 0, cacheSize = 0 }, index) => {
    const at = `limits[${index}]`;
    const known = oneOf(`${at}.type`, type, ["Server", "Namespace", "User", "SourceAndObject"] as const);
    if (qps <= 0) throw new Error(`${at}.qps: must be positive`);
    if (burst <= 0) throw new Error(`${at}.burst: must be positive`);
    if (cacheSize < 0) throw new Error(`${at}.cacheSize: must not be negative`);
    return { type: known, qps, burst, buckets: new BoundedMap<string, Bucket>(cacheSize || 4096) };
  });
  return {
    name: "EventRateLimit",
    resources: ["events"],
    validate(request) {
      if (request.dryRun || !request.object || !isFor(request, "events")) return;
      const errors: string[] = [];
      for (const { type, qps, burst, buckets } of enforced) {
        const key = keys[type](request);
        const now = clock.now();
        const { tokens, at } = buckets.get(key) ?? { tokens: burst, at: now };
        const left = Math.min(burst, tokens + ((now - at) / 1000) * qps);
        buckets.set(key, { tokens: left >= 1 ? left - 1 : left, at: now });
        if (left < 1) errors.push(`limit reached on type ${type} for key ${key}`);
      }
      if (errors.length === 0) return;
      const message = errors.length === 1 ? errors[0] : `[${errors.join(", ")}]`;
      // Without a time after which to try again: who sends Events drops them then.
      throw new StatusError({ code: 429, reason: "TooManyRequests", message });
    },
  };
}
