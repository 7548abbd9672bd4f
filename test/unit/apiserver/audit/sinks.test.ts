import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { AuditEvent } from "../../../../src/apiserver/audit/event.ts";
import { logFile } from "../../../../src/apiserver/audit/log-file.ts";
import { truncated } from "../../../../src/apiserver/audit/truncated.ts";
import { webhookSink } from "../../../../src/apiserver/audit/webhook.ts";
import { FakeClock } from "../../../../src/lib/clock.ts";
import { silentLogger } from "../../../../src/lib/log.ts";

const event = (auditID: string): AuditEvent => ({
  kind: "Event",
  apiVersion: "audit.k8s.io/v1",
  level: "Metadata",
  auditID,
  stage: "ResponseComplete",
  requestURI: "/api/v1/pods",
  verb: "list",
  user: { username: "alice", groups: ["a", "b"] },
  sourceIPs: ["127.0.0.1"],
  userAgent: 'curl "8"',
  objectRef: { resource: "pods", apiVersion: "v1" },
  responseStatus: { metadata: {}, code: 200 },
  requestReceivedTimestamp: "2026-01-01T00:00:00.000000Z",
  stageTimestamp: "2026-01-01T00:00:00.000000Z",
});

test("large events lose what was sent and answered, and are dropped when that is not enough", () => {
  const written: AuditEvent[] = [];
  const sink = truncated({ write: (one) => void written.push(one), close: () => {} }, 1000, silentLogger);
  const large = "x".repeat(1000);
  const whole: AuditEvent = { ...event("1"), level: "RequestResponse", requestObject: { a: "b" }, annotations: { a: "b" } };
  sink.write(whole);
  sink.write({ ...whole, auditID: "2", requestObject: { large }, responseObject: {} });
  sink.write({ ...whole, auditID: "3", userAgent: large });
  sink.write({ ...event("4"), userAgent: large });
  const { requestObject: _request, ...rest } = whole;
  expect(written).toEqual([whole, { ...rest, auditID: "2", annotations: { a: "b", "audit.k8s.io/truncated": "true" } }]);
});

describe("the log", () => {
  let folder: string;
  const clock = new FakeClock();
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "hue-audit-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const open = (more: object = {}) =>
    logFile({ path: join(folder, "audit.log"), format: "json", maxSize: 0, maxAge: 0, maxBackups: 0, clock, log: silentLogger, ...more });

  test("holds an event a line, for its owner alone, and goes on where it ended", () => {
    for (const id of ["1", "2"]) {
      const sink = open();
      sink.write(event(id));
      void sink.close();
    }
    const lines = readFileSync(join(folder, "audit.log"), "utf8").split("\n");
    expect(lines.map((line) => line && JSON.parse(line))).toEqual([event("1"), event("2"), ""]);
    expect(statSync(join(folder, "audit.log")).mode & 0o777).toBe(0o600);
  });

  test("is one line of text in the old format", () => {
    const sink = open({ format: "legacy" });
    sink.write(event("1"));
    void sink.close();
    expect(readFileSync(join(folder, "audit.log"), "utf8")).toBe(
      `2026-01-01T00:00:00.000000Z AUDIT: id="1" stage="ResponseComplete" ip="127.0.0.1" method="list" user="alice" groups="\\"a\\",\\"b\\"" as="<self>" asgroups="<lookup>" user-agent="curl \\"8\\"" namespace="<none>" uri="/api/v1/pods" response="200"\n`,
    );
  });

  test("begins a new file at its size, and keeps as many and as old ones as wanted", () => {
    const sink = open({ maxSize: 1000, maxBackups: 2 });
    for (let i = 0; i < 20; i++) {
      clock.advance(1000);
      sink.write(event(String(i)));
    }
    void sink.close();
    const files = readdirSync(folder).sort();
    expect(files).toHaveLength(3);
    expect(files[0]).toMatch(/^audit-2026-01-01T00-00-\d\d\.000\.log$/);
    for (const name of files) expect(statSync(join(folder, name)).size).toBeLessThanOrEqual(1000);
    const ids = files.flatMap((name) =>
      [...readFileSync(join(folder, name), "utf8").matchAll(/"auditID":"(\d+)"/g)].map(([, id]) => Number(id)),
    );
    expect(ids).toEqual(Array.from({ length: ids.length }, (_, i) => 20 - ids.length + i));
    const old = open({ maxSize: 10, maxAge: 1000 });
    clock.advance(Date.now() - clock.now() + 60_000);
    old.write(event("new"));
    void old.close();
    expect(readdirSync(folder)).toEqual(["audit.log"]);
  });
});

describe("the webhook", () => {
  const asked: { kind: string; apiVersion: string; items: AuditEvent[] }[] = [];
  const service = { ask: async (list: object) => void asked.push(list as (typeof asked)[number]), close: () => {} };
  const ids = (): string[][] => asked.map(({ items }) => items.map(({ auditID }) => auditID));
  beforeEach(() => asked.splice(0));

  test("gets events together: at once when there are enough, else after a time, and what is left at the end", async () => {
    const clock = new FakeClock();
    const sink = webhookSink(service, { maxSize: 3, maxWait: 30_000, clock, log: silentLogger });
    for (const id of ["1", "2", "3", "4"]) sink.write(event(id));
    await vi.waitFor(() => expect(ids()).toEqual([["1", "2", "3"]]));
    expect(asked[0]).toMatchObject({ kind: "EventList", apiVersion: "audit.k8s.io/v1" });
    sink.write(event("5"));
    clock.advance(29_000);
    expect(ids()).toHaveLength(1);
    clock.advance(1000);
    await vi.waitFor(() => expect(ids().at(-1)).toEqual(["4", "5"]));
    sink.write(event("6"));
    await sink.close();
    expect(ids().at(-1)).toEqual(["6"]);
  });

  test("that takes nothing is told of in the log, and does not hold up anything", async () => {
    const error = vi.fn();
    const sink = webhookSink(
      { ask: () => Promise.reject(new Error("connection refused")), close: () => {} },
      { maxSize: 1, maxWait: 30_000, clock: new FakeClock(), log: { ...silentLogger, error } },
    );
    sink.write(event("1"));
    await sink.close();
    expect(error).toHaveBeenCalledWith(expect.objectContaining({ events: 1 }), "the audit webhook did not take events");
  });
});
