import { readFile } from "node:fs/promises";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { Authorization } from "../authorization/index.ts";
import { remoteService } from "../backends/remote-service.ts";
import type { Listener, ListenerParts } from "../http/listener.ts";
import type { Sink } from "./event.ts";
import { auditedListener } from "./listener.ts";
import { logFile } from "./log-file.ts";
import { readPolicy } from "./policy.ts";
import { truncated } from "./truncated.ts";
import { webhookSink } from "./webhook.ts";

/** What is to be told of requests, and to whom. */
export interface AuditConfig {
  /** A Policy of audit.k8s.io/v1. */
  policyFile: string;
  /** "" for none, "-" for standard output. */
  logPath: string;
  logFormat: "json" | "legacy";
  /** Days, files, MiB; 0 for no limit. */
  logMaxAge: number;
  logMaxBackup: number;
  logMaxSize: number;
  /** A kubeconfig; "" for none. */
  webhookConfigFile: string;
  webhookBatchMaxSize: number;
  /** Milliseconds. */
  webhookBatchMaxWait: number;
  webhookInitialBackoff: number;
  /** Bytes above which events are cut; undefined: never. */
  logMaxEventSize: number | undefined;
  webhookMaxEventSize: number | undefined;
}

/** The audit of an API server: see "Auditing". */
export interface Audit {
  makeListener(parts: ListenerParts & { authorization: Authorization }): Listener;
  /** Brings out what is waiting. */
  close(): Promise<void>;
}

/** Begins as configured; rejects with a sentence that names the flag. */
export async function startAudit(config: AuditConfig, { clock, log }: { clock: Clock; log: Logger }): Promise<Audit> {
  const { policyFile, logPath, webhookConfigFile } = config;
  const sinks: Sink[] = [];
  const add = (made: Sink, maxSize: number | undefined): void => {
    sinks.push(maxSize === undefined ? made : truncated(made, maxSize, log));
  };
  const policy = await named("audit-policy-file", async () => {
    try {
      return readPolicy(await readFile(policyFile, "utf8"));
    } catch (error) {
      throw new Error(`${policyFile}: ${error instanceof Error ? error.message : error}`);
    }
  });
  if (webhookConfigFile) {
    const options = { clock, pause: config.webhookInitialBackoff, patient: true };
    const service = await named("audit-webhook-config-file", () => remoteService(webhookConfigFile, options));
    const batches = { maxSize: config.webhookBatchMaxSize, maxWait: config.webhookBatchMaxWait };
    add(webhookSink(service, { ...batches, clock, log }), config.webhookMaxEventSize);
  }
  if (logPath) {
    const { logFormat: format, logMaxBackup: maxBackups } = config;
    const limits = { maxSize: config.logMaxSize * 2 ** 20, maxAge: config.logMaxAge * 86_400_000, maxBackups };
    add(await named("audit-log-path", async () => logFile({ path: logPath, format, ...limits, clock, log })), config.logMaxEventSize);
  }
  const sink: Sink = {
    write(event) {
      for (const one of sinks) one.write(event);
    },
    close: () => {},
  };
  return {
    makeListener: (parts) => auditedListener(parts, { policy, sink, clock }),
    async close() {
      for (const one of sinks) await one.close();
    },
  };
}

async function named<T>(flag: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Error(`--${flag}: ${error instanceof Error ? error.message : error}`);
  }
}
