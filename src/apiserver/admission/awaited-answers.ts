import type { AuthorizationAnswer } from "../../api/cel/authorizer.ts";
import type { RequestAttributes } from "../../api/user.ts";
import type { Authorization } from "../authorization/index.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission.ts";

/** What expressions have asked for about one request: the answers, and those that are awaited. */
interface Asked {
  answers: Map<string, AuthorizationAnswer>;
  awaited: Promise<void>[];
}

/**
 * Authorisation for CEL expressions, which cannot wait: one that needs a webhook's answer fails, and the plugin's step runs once more when
 * the answer has come.
 */
export class AwaitedAnswers {
  private readonly authorization: Pick<Authorization, "authorize">;
  private readonly asked = new WeakMap<AdmissionRequest, Asked>();

  constructor(authorization: Pick<Authorization, "authorize">) {
    this.authorization = authorization;
  }

  /** The answer, when it is there. Throws while it is awaited. */
  authorize(attributes: RequestAttributes, request: AdmissionRequest): AuthorizationAnswer {
    const known = this.asked.get(request)?.answers.get(JSON.stringify(attributes));
    if (known) return known;
    const decision = this.authorization.authorize(attributes);
    if (!(decision instanceof Promise)) return answerOf(decision);
    let asked = this.asked.get(request);
    if (!asked) this.asked.set(request, (asked = { answers: new Map(), awaited: [] }));
    const { answers, awaited } = asked;
    awaited.push(
      decision.then((one) => {
        answers.set(JSON.stringify(attributes), answerOf(one));
      }),
    );
    throw new Error("the authorization webhook has not answered yet");
  }

  /** The plugin, run again as long as answers are missing. */
  completing({ admit, validate, ...rest }: AdmissionPlugin): AdmissionPlugin {
    return {
      ...rest,
      ...(admit ? { admit: (request) => this.run(admit, request) } : {}),
      ...(validate ? { validate: (request) => this.run(validate, request) } : {}),
    };
  }

  private async run(step: (request: AdmissionRequest) => Promise<void> | void, request: AdmissionRequest): Promise<void> {
    for (;;) {
      const [outcome] = await Promise.allSettled([(async () => step(request))()]);
      const awaited = this.asked.get(request)?.awaited.splice(0) ?? [];
      if (awaited.length === 0) {
        if (outcome.status === "rejected") throw outcome.reason;
        return;
      }
      await Promise.all(awaited);
    }
  }
}

/** The answer to an expression. */
function answerOf({ verdict, reason }: { verdict: string; reason: string }): AuthorizationAnswer {
  return { allowed: verdict === "allow", reason };
}
