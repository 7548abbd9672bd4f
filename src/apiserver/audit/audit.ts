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
    sinks.push(webhookSink(service, { maxSize: config.webhookBatchMaxSize, maxWait: config.webhookBatchMaxWait, clock, log }));
  }
  if (logPath) {
    const { logFormat: format, logMaxBackup: maxBackups } = config;
    const limits = { maxSize: config.logMaxSize * 2 ** 20, maxAge: config.logMaxAge * 86_400_000, maxBackups };
    sinks.push(await named("audit-log-path", async () => logFile({ path: logPath, format, ...limits, clock, log })));
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
