/**
 * Sends the same requests to hue and to the reference, and prints where the replies differ:
 *   node test/differential/run.ts --hue URL --cert FILE --key FILE --reference URL --token TOKEN [--cases 3000] [--only Pod,Job] [--json FILE]
 * Everything but the objects to be updated is a dry run, so that both servers stay as they are. hue needs the reference's
 * Service range (10.43.0.0/16) and a runtime that has no node to schedule to.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { parseAllDocuments } from "yaml";
import { type Difference, differenceOf } from "./compare.ts";
import { reasonFor, unmergeable } from "./known.ts";
import { mutationsOf } from "./mutations.ts";
import { type Ask, collectionOf, pathOf, Server } from "./server.ts";

interface Case extends Ask {
  /** "Pod create spec.hostname: 7". */
  title: string;
}

type Base = Parameters<typeof pathOf>[0] & Record<string, unknown>;

const { values } = parseArgs({
  options: {
    hue: { type: "string", default: "https://127.0.0.1:6443" },
    cert: { type: "string" },
    key: { type: "string" },
    reference: { type: "string", default: "https://127.0.0.1:16443" },
    token: { type: "string", default: "admin" },
    cases: { type: "string", default: "3000" },
    only: { type: "string", default: "" },
    json: { type: "string" },
  },
});
const hue = new Server(values.hue, { cert: values.cert, key: values.key, token: values.cert ? undefined : values.token });
const reference = new Server(values.reference, { token: values.token });
const both = [reference, hue] as const;

const folder = new URL("objects/", import.meta.url);
const bases = readdirSync(folder)
  .flatMap((file) => parseAllDocuments(readFileSync(new URL(file, folder), "utf8")).map((document) => document.toJS() as Base))
  .filter(({ kind }) => !values.only || values.only.split(",").includes(kind));

/** The causes for which a strategic patch could not be merged, of each API group: "apps does not contain declared merge key". */
const unmerged = new Set<string>();
let askedAgain = 0;
const results: (Difference & { title: string; request: Ask; reason: string | undefined })[] = [];
for (const base of bases) for (const server of both) await remove(server, base);
for (const base of bases) for (const server of both) await add(server, base);
const cases = sampled(
  bases.flatMap((base) => [...casesOf(base)]),
  Number(values.cases),
);
const next = cases[Symbol.iterator]();
await Promise.all(Array.from({ length: 6 }, () => work(next)));
for (const base of bases) for (const server of both) await remove(server, base);
report();
for (const server of both) server.close();

/** The requests made of one valid object: each mutation created anew, and in the place of the object that is there. */
function* casesOf(base: Base): Generator<Case> {
  const create = `${collectionOf(base)}?dryRun=All&fieldValidation=Strict`;
  const update = `${pathOf(base)}?dryRun=All&fieldValidation=Strict`;
  const fresh = { ...withFreePorts(base), metadata: { ...base.metadata, name: freshName(base) } };
  yield { title: `${base.kind} create as it is`, method: "POST", path: create, body: fresh };
  yield { title: `${base.kind} update as it is`, method: "PUT", path: update, body: base };
  yield {
    title: `${base.kind} apply as it is`,
    method: "PATCH",
    path: `${update}&fieldManager=me`,
    body: base,
    contentType: "application/apply-patch+yaml",
  };
  for (const { what, object } of mutationsOf(fresh))
    yield { title: `${base.kind} create ${what}`, method: "POST", path: create, body: object };
  for (const { what, object } of mutationsOf(base)) {
    yield { title: `${base.kind} update ${what}`, method: "PUT", path: update, body: object };
    const contentType = base.apiVersion.includes("example.com") ? "application/merge-patch+json" : "application/strategic-merge-patch+json";
    yield { title: `${base.kind} patch ${what}`, method: "PATCH", path: update, body: object, contentType };
  }
}

/** A name that is free; some kinds' names follow from what they hold. */
function freshName({ kind, metadata: { name } }: Base): string {
  if (kind === "IPAddress") return "192.168.1.6";
  return kind === "CustomResourceDefinition" || kind === "APIService"
    ? name
    : `${name}-new`.replace(".example.com-new", "-new.example.com");
}

/** A Service with other node ports, as those of the one that is there are taken. */
function withFreePorts(base: Base): Base {
  return base.kind === "Service" ? JSON.parse(JSON.stringify(base).replaceAll("3099", "3098")) : base;
}

/** So many of them, spread evenly: the same ones at every run. */
function sampled(all: readonly Case[], count: number): Case[] {
  const step = Math.max(1, all.length / count);
  return Array.from({ length: Math.min(count, all.length) }, (_, i) => all[Math.floor(i * step)] as Case);
}

async function work(next: Iterator<Case>): Promise<void> {
  for (let item = next.next(); !item.done; item = next.next()) {
    const { title, ...request } = item.value;
    const difference = await compared(request);
    if (!difference) continue;
    const again = isUnmergedAgain(request, difference);
    if (again) askedAgain++;
    const asked = again ? { ...request, contentType: "application/merge-patch+json" } : request;
    const found = again ? await compared(asked) : difference;
    if (found) results.push({ title, ...found, request: asked, reason: reasonFor(title, found) });
  }
}

async function compared(request: Ask): Promise<Difference | undefined> {
  const [expected, got] = await Promise.all([reference.ask(request), hue.ask(request)]);
  return differenceOf(expected, got);
}

/**
 * Whether a strategic patch fails in the merge, and one of its API group has failed for the same cause before: neither server gets as
 * far as the kind's own rules then, so the same change is sent as a JSON merge patch, which does.
 */
function isUnmergedAgain({ path, contentType }: Ask, difference: Difference): boolean {
  const cause = contentType === "application/strategic-merge-patch+json" ? unmergeable(difference) : undefined;
  if (!cause) return false;
  const group = path.startsWith("/apis/") ? path.split("/")[2] : "core";
  const key = `${group} ${cause}`;
  const isKnown = unmerged.has(key);
  unmerged.add(key);
  return isKnown;
}

async function add(server: Server, base: Base): Promise<void> {
  // An owner that is not there would have the garbage collector take the object away.
  const { ownerReferences: _, ...metadata } = base.metadata as Record<string, unknown>;
  const { code, body } = await server.ask({ method: "POST", path: collectionOf(base), body: { ...base, metadata } });
  if (code !== 201)
    console.error(`${server === hue ? "hue" : "the reference"} refuses ${base.kind} ${base.metadata.name}: ${JSON.stringify(body)}`);
}

async function remove(server: Server, base: Base): Promise<void> {
  const path = pathOf(base);
  const contentType = "application/merge-patch+json";
  for (let attempt = 0; attempt < 50; attempt++) {
    await server.ask({ method: "PATCH", path, body: { metadata: { finalizers: null } }, contentType });
    const { code } = await server.ask({ method: "DELETE", path, body: { gracePeriodSeconds: 0, propagationPolicy: "Background" } });
    if (code === 404) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function report(): void {
  const unexplained = results.filter(({ reason }) => !reason);
  for (const { title, where, expected, got } of unexplained)
    console.log(`${title}\n  ${where}\n  - ${JSON.stringify(expected)?.slice(0, 400)}\n  + ${JSON.stringify(got)?.slice(0, 400)}`);
  const reasons = Map.groupBy(results, ({ reason }) => reason ?? "not explained");
  for (const [reason, { length }] of reasons) console.log(`${length} differ: ${reason}`);
  console.log(
    `${askedAgain} strategic patches that cannot be merged, of a cause compared before in their API group (500 in the reference, 400 in hue, ` +
      `same words), were compared as JSON merge patches instead`,
  );
  console.log(`${cases.length} cases, ${results.length} differ (${((100 * results.length) / cases.length).toFixed(1)} %)`);
  if (values.json) writeFileSync(values.json, JSON.stringify(results, undefined, 1));
}
