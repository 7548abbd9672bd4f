import { type Environment, Optional } from "@marcbachmann/cel-js";
import { checkDns1035Label, checkDnsLabel, checkDnsSubdomain, checkLabelValue, checkQualifiedName } from "../../meta/names.ts";
import { isFormat } from "../../schema/formats.ts";

/** A format as `format.dns1123Label()` gives it. */
class NamedFormat {
  readonly check: (text: string) => string[];

  constructor(check: (text: string) => string[]) {
    this.check = check;
  }
}

const schemaFormat =
  (name: string, why: string): ((text: string) => string[]) =>
  (text) =>
    isFormat(name, text) ? [] : [why];
const withoutDash =
  (check: (text: string) => string[]): ((text: string) => string[]) =>
  (text) =>
    check(text.replace(/-$/, "a"));

const formats: Record<string, (text: string) => string[]> = {
  dns1123Label: checkDnsLabel,
  dns1123Subdomain: checkDnsSubdomain,
  dns1035Label: checkDns1035Label,
  qualifiedName: checkQualifiedName,
  dns1123LabelPrefix: withoutDash(checkDnsLabel),
  dns1123SubdomainPrefix: withoutDash(checkDnsSubdomain),
  dns1035LabelPrefix: withoutDash(checkDns1035Label),
  labelValue: checkLabelValue,
  uri: schemaFormat("uri", "invalid URI for request"),
  uuid: schemaFormat("uuid", "does not match the UUID format"),
  byte: schemaFormat("byte", "invalid base64"),
  date: schemaFormat("date", "invalid date"),
  datetime: schemaFormat("date-time", "invalid datetime"),
};

/** Kubernetes' format library: `format.named("uuid")`, `format.dns1123Label().validate(name)`. */
export function registerFormats(environment: Environment): void {
  class Formats {}
  environment
    .registerType("kubernetes.Formats", Formats)
    .registerType("kubernetes.NamedFormat", NamedFormat)
    .registerConstant("format", "kubernetes.Formats", new Formats())
    .registerFunction("kubernetes.NamedFormat.validate(string): optional<list<string>>", ({ check }: NamedFormat, text: string) => {
      const problems = check(text);
      return Optional.of(problems.length ? problems : undefined);
    })
    .registerFunction("kubernetes.Formats.named(string): optional<kubernetes.NamedFormat>", (_: unknown, name: string) => {
      const check = Object.hasOwn(formats, name) ? formats[name] : undefined;
      return Optional.of(check && new NamedFormat(check));
    });
  for (const [name, check] of Object.entries(formats))
    environment.registerFunction(`kubernetes.Formats.${name}(): kubernetes.NamedFormat`, () => new NamedFormat(check));
}
