import type { Shape } from "./connection.ts";
import { customObjects, definitions, policies } from "./expressions.ts";
import { http, type Request } from "./message.ts";
import type { Random } from "./random.ts";
import { headers, paths, queries, watches } from "./reads.ts";
import { reviews } from "./reviews.ts";
import { bodies, objects, patches } from "./writes.ts";

/** The families of requests that are whole HTTP, and how often each is made. */
export const requestFamilies: readonly (readonly [name: string, weight: number, make: (random: Random) => Request])[] = [
  ["objects", 22, objects],
  ["bodies", 14, bodies],
  ["patches", 18, patches],
  ["queries", 12, queries],
  ["paths", 10, paths],
  ["watches", 2, watches],
  ["definitions", 5, definitions],
  ["custom objects", 5, customObjects],
  ["policies", 3, policies],
  ["reviews", 4, reviews],
  ["headers", 3, headers],
];

/** Such a request as bytes. */
export function shapeOf(family: string, request: Request): Shape {
  const endless = request.endless ? { endless: true } : {};
  return { family, parts: [http(request)], answers: 1, ...endless, ...(request.method === "HEAD" ? { bodiless: true } : {}) };
}
