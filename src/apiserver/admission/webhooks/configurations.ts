import { compileMatchCondition } from "../../../api/cel/admission.ts";
import type { Expression } from "../../../api/cel/expression.ts";
import { type Selector, selectorOfLabelSelector } from "../../../api/meta/labels.ts";
import type { Resource } from "../../../api/resource.ts";
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
} from "../../../api/types/admissionregistration.v1.ts";
import type { Objects } from "../../objects.ts";

/** A webhook made ready for requests. */
export interface Webhook {
  /** "configuration/webhook/2": tells it from all others. */
  id: string;
  spec: ValidatingWebhook & Pick<MutatingWebhook, "reinvocationPolicy">;
  namespaces: Selector;
  objects: Selector;
  conditions: { name: string; expression: Expression }[];
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
    namespaces: selectorOfLabelSelector(spec.namespaceSelector ?? {}),
    objects: selectorOfLabelSelector(spec.objectSelector ?? {}),
    conditions: (spec.matchConditions ?? []).map(({ name, expression }) => ({ name, expression: compiled(expression) })),
  };
}

/** Validation lets only expressions through that compile; one from elsewhere fails when it is evaluated. */
function compiled(text: string): Expression {
  try {
    return compileMatchCondition(text);
  } catch (error) {
    return {
      evaluate() {
        throw error;
      },
    };
  }
}
