import { compileMatchCondition, type Named } from "../../../api/cel/admission.ts";
import type { Resource } from "../../../api/resource.ts";
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
} from "../../../api/types/admissionregistration.v1.ts";
import type { Objects } from "../../objects.ts";
import { type Criteria, criteriaOf } from "../matching.ts";

/** A webhook made ready for requests. */
export interface Webhook {
  /** "configuration/webhook/2": tells it from all others. */
  id: string;
  spec: ValidatingWebhook & Pick<MutatingWebhook, "reinvocationPolicy">;
  criteria: Criteria;
  /** Validation lets only expressions through that compile; one from elsewhere fails when it is evaluated. */
  conditions: Named[];
}

type Configuration = MutatingWebhookConfiguration | ValidatingWebhookConfiguration;

/** The webhooks of all configurations of one kind, in the order in which they are called: by the configuration's name. */
export class Configurations {
  private readonly configurations = new Map<string, Webhook[]>();
  private all: readonly Webhook[] = [];
  private readonly stop: () => void;

  constructor(objects: Objects, resource: Resource<Configuration>) {
    this.stop = objects.onChange(resource, (now, old) => this.changed(now, (now ?? old)?.metadata.name ?? ""));
  }

  /** Empty in most clusters: then admission has nothing to do. */
  webhooks(): readonly Webhook[] {
    return this.all;
  }

  close(): void {
    this.stop();
  }

  private changed(configuration: Configuration | undefined, name: string): void {
    if (configuration)
      this.configurations.set(
        name,
        (configuration.webhooks ?? []).map((webhook, i) => prepared(name, webhook, i)),
      );
    else this.configurations.delete(name);
    const names = [...this.configurations.keys()].sort();
    this.all = names.flatMap((one) => this.configurations.get(one) ?? []);
  }
}

function prepared(configuration: string, spec: Webhook["spec"], index: number): Webhook {
  return {
    id: `${configuration}/${spec.name}/${index}`,
    spec,
    criteria: criteriaOf({ ...spec, resourceRules: spec.rules ?? [] }),
    conditions: (spec.matchConditions ?? []).map(({ name, expression: text }) => ({ name, text, expression: compileMatchCondition(text) })),
  };
}
