import { resolve } from "node:path";
import type { ServerConfig } from "../../server/config.ts";
import type { Option, OptionValues } from "../options.ts";
import { UsageError } from "../usage-error.ts";
import { duration, text } from "./node-options.ts";

type AuditConfig = NonNullable<ServerConfig["audit"]>;

/** What is told of requests, under kube-apiserver's names. */
export const auditOptions: readonly Option[] = [
  { flag: "audit-policy-file", type: "string", value: "FILE", description: "Policy of audit.k8s.io/v1: what is told of which requests" },
  { flag: "audit-log-path", type: "string", value: "FILE", description: 'Where audit events go, a line each; "-" for standard output' },
  { flag: "audit-log-format", type: "string", value: "FORMAT", description: "json or legacy", default: "json" },
  { flag: "audit-log-maxage", type: "number", value: "DAYS", description: "Days that old audit logs are kept; 0 for ever", default: 366 },
  { flag: "audit-log-maxbackup", type: "number", value: "N", description: "Old audit logs that are kept; 0 for all", default: 100 },
  {
    flag: "audit-log-maxsize",
    type: "number",
    value: "MB",
    description: "Size from which a new audit log is begun; 0 for never",
    default: 100,
  },
  { flag: "audit-webhook-config-file", type: "string", value: "FILE", description: "Kubeconfig of a webhook that takes audit events" },
  { flag: "audit-webhook-batch-max-size", type: "number", value: "N", description: "Audit events that are sent at once", default: 400 },
  {
    flag: "audit-webhook-batch-max-wait",
    type: "string",
    value: "DURATION",
    description: "How long fewer audit events wait",
    default: "30s",
  },
  {
    flag: "audit-webhook-initial-backoff",
    type: "string",
    value: "DURATION",
    description: "How long after a failure audit events are sent again",
    default: "10s",
  },
  ...(["log", "webhook"] as const).flatMap((sink): Option[] => [
    {
      flag: `audit-${sink}-truncate-enabled`,
      type: "boolean",
      description: "Leave out of large audit events what was sent and answered",
    },
    {
      flag: `audit-${sink}-truncate-max-event-size`,
      type: "number",
      value: "BYTES",
      description: "Size from which an audit event is large",
      default: 102_400,
    },
  ]),
];

/** Undefined when nothing is to be told to anybody. Throws UsageError, naming the flag. */
export function auditConfig(options: OptionValues): AuditConfig | undefined {
  const file = (flag: string): string => text(options, flag) && resolve(text(options, flag));
  const count = (flag: string, least = 0): number => {
    const number = Number(options[flag]);
    if (number < least) throw new UsageError(`--${flag}: ${number} must be at least ${least}`);
    return number;
  };
  const logFormat = text(options, "audit-log-format");
  if (logFormat !== "json" && logFormat !== "legacy") throw new UsageError(`--audit-log-format: "${logFormat}" must be json or legacy`);
  const maxEventSize = (sink: string): number | undefined => {
    const size = count(`audit-${sink}-truncate-max-event-size`, 1);
    return options[`audit-${sink}-truncate-enabled`] === true ? size : undefined;
  };
  const config: AuditConfig = {
    policyFile: file("audit-policy-file"),
    logPath: text(options, "audit-log-path") === "-" ? "-" : file("audit-log-path"),
    logFormat,
    logMaxAge: count("audit-log-maxage"),
    logMaxBackup: count("audit-log-maxbackup"),
    logMaxSize: count("audit-log-maxsize"),
    webhookConfigFile: file("audit-webhook-config-file"),
    webhookBatchMaxSize: count("audit-webhook-batch-max-size", 1),
    webhookBatchMaxWait: duration(options, "audit-webhook-batch-max-wait"),
    webhookInitialBackoff: duration(options, "audit-webhook-initial-backoff"),
    logMaxEventSize: maxEventSize("log"),
    webhookMaxEventSize: maxEventSize("webhook"),
  };
  const hasSink = config.logPath !== "" || config.webhookConfigFile !== "";
  if (hasSink && !config.policyFile)
    throw new UsageError("--audit-log-path and --audit-webhook-config-file need --audit-policy-file, which says what is told");
  if (config.policyFile && !hasSink)
    throw new UsageError("--audit-policy-file needs --audit-log-path or --audit-webhook-config-file, where events go");
  return hasSink ? config : undefined;
}
