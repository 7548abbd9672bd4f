import type { CpuProfile } from "./inspector.ts";

/** The part (0 to 1) that one layer or function has of the time in which the thread was busy. */
export interface Share {
  name: string;
  part: number;
}

/**
 * Where a piece of code belongs: a folder of src two levels deep, a package, a module of Node, or what V8 itself says (its garbage
 * collector; "(program)" is what has no JavaScript on the stack: TLS, the kernel's calls, the event loop).
 */
export function layerOf(url: string, functionName: string): string {
  const [, own] = /\/src\/(\w+(?:\/\w+(?=\/))?)/.exec(url) ?? [];
  if (own && !url.includes("/node_modules/")) return `src/${own}`;
  const [, dependency] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? [];
  if (dependency) return dependency;
  if (!url) return functionName.startsWith("(") ? functionName : "native functions";
  const [, module = url] = /^node:(?:internal\/)?(\w+)/.exec(url) ?? [];
  return `node:${module.replace(/^_?(http|stream|tls|stream_base)\w*$/, "$1")}`;
}

/** The time in which nothing was called from each layer (self time), the most first; without the time in which there was nothing to do. */
export function shares(profile: CpuProfile, nameOf: (url: string, functionName: string, line: number) => string): Share[] {
  const names = new Map(
    profile.nodes.map(({ id, callFrame: { url, functionName, lineNumber } }) => [id, nameOf(url, functionName, lineNumber)]),
  );
  const sums = new Map<string, number>();
  profile.samples.forEach((sample, i) => {
    const name = names.get(sample) ?? "";
    // A delta is the time before its sample: what it tells of is the sample before, save for the first.
    sums.set(name, (sums.get(name) ?? 0) + (profile.timeDeltas[i + 1] ?? 0));
  });
  for (const name of sums.keys()) if (name.startsWith("(idle)")) sums.delete(name);
  const busy = [...sums.values()].reduce((sum, value) => sum + value, 0);
  return [...sums].map(([name, value]) => ({ name, part: value / busy })).sort((a, b) => b.part - a.part);
}
