import type { Environment } from "@marcbachmann/cel-js";

/** What an expression asks authorisation for; see "Kubernetes CEL authorizer library". */
export interface AuthorizationCheck {
  verb: string;
  /** A path instead of a resource. */
  path?: string;
  group: string;
  resource: string;
  subresource: string;
  namespace: string;
  name: string;
  /** Another user than the one who makes the request: a service account. */
  serviceAccount?: { namespace: string; name: string };
}

/** The answer. */
export interface AuthorizationAnswer {
  allowed: boolean;
  reason: string;
}

const empty: AuthorizationCheck = { verb: "", group: "", resource: "", subresource: "", namespace: "", name: "" };

type Decide = (check: AuthorizationCheck) => AuthorizationAnswer;

/** A step of the builder. */
class Step {
  readonly decide: Decide;
  readonly asked: AuthorizationCheck;

  constructor(decide: Decide, asked: AuthorizationCheck) {
    this.decide = decide;
    this.asked = asked;
  }
}

class PathCheck extends Step {}
class GroupCheck extends Step {}
class ResourceCheck extends Step {}

/** The variable `authorizer`. */
class RequestAuthorizer extends Step {
  readonly requestResource: ResourceCheck;

  constructor(decide: Decide, asked: AuthorizationCheck, request: AuthorizationCheck) {
    super(decide, asked);
    this.requestResource = new ResourceCheck(decide, request);
  }
}

class CelDecision implements AuthorizationAnswer {
  readonly allowed: boolean;
  readonly reason: string;

  constructor({ allowed, reason }: AuthorizationAnswer) {
    this.allowed = allowed;
    this.reason = reason;
  }
}

/** The value of the variable `authorizer`: `request` is what is asked for now, its verb left out. */
export function celAuthorizer(decide: Decide, request: AuthorizationCheck): object {
  return new RequestAuthorizer(decide, empty, request);
}

const prefix = "kubernetes.authorization.";

/** Declares the variable `authorizer` with its types and functions, and `authorizer.requestResource`. */
export function registerAuthorizer(environment: Environment): Environment {
  for (const [name, ctor] of Object.entries({ PathCheck, GroupCheck, ResourceCheck, Decision: CelDecision }))
    environment.registerType(prefix + name, { ctor, fields: {} });
  environment.registerType(`${prefix}Authorizer`, { ctor: RequestAuthorizer, fields: { requestResource: `${prefix}ResourceCheck` } });
  const define = (signature: string, handler: (...values: never[]) => unknown): void => {
    environment.registerFunction(signature.replaceAll("@", prefix), handler);
  };
  const step =
    (make: typeof Step, part: keyof AuthorizationCheck) =>
    (from: Step, value: string): Step =>
      new make(from.decide, { ...from.asked, [part]: value });
  define("@Authorizer.path(string): @PathCheck", step(PathCheck, "path"));
  define("@Authorizer.group(string): @GroupCheck", step(GroupCheck, "group"));
  define(
    "@Authorizer.serviceAccount(string, string): @Authorizer",
    (from: RequestAuthorizer, namespace: string, name: string) =>
      new RequestAuthorizer(from.decide, { ...from.asked, serviceAccount: { namespace, name } }, from.requestResource.asked),
  );
  define("@GroupCheck.resource(string): @ResourceCheck", step(ResourceCheck, "resource"));
  for (const part of ["subresource", "namespace", "name"] as const)
    define(`@ResourceCheck.${part}(string): @ResourceCheck`, step(ResourceCheck, part));
  const check = (from: Step, verb: string): CelDecision => new CelDecision(from.decide({ ...from.asked, verb }));
  define("@ResourceCheck.check(string): @Decision", check);
  define("@PathCheck.check(string): @Decision", check);
  define("@Decision.allowed(): bool", (decision: CelDecision) => decision.allowed);
  define("@Decision.reason(): string", (decision: CelDecision) => decision.reason);
  return environment.registerVariable("authorizer", `${prefix}Authorizer`);
}
