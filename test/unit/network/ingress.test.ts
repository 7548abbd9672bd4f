import { describe, expect, it } from "vitest";
import { certificateFor, match, routeTable } from "../../../src/network/ingress/routes.ts";
import { ingress } from "./objects.ts";

const backend = (name: string) => ({ service: { name, port: { number: 80 } } });
const prefix = (path: string, name: string) => ({ path, pathType: "Prefix" as const, backend: backend(name) });
const table = routeTable([
  ingress("shop", {
    defaultBackend: backend("fallback"),
    tls: [{ hosts: ["shop.example"], secretName: "shop-tls" }],
    rules: [
      {
        host: "shop.example",
        http: {
          paths: [prefix("/", "front"), prefix("/cart", "cart"), { path: "/cart/exact", pathType: "Exact", backend: backend("exact") }],
        },
      },
      { host: "*.shop.example", http: { paths: [prefix("/", "tenant")] } },
    ],
  }),
  ingress("plain", { rules: [{ http: { paths: [prefix("/testpath", "test")] } }] }),
  ingress("younger", { rules: [{ host: "shop.example", http: { paths: [prefix("/cart", "thief")] } }] }, "2026-02-01T00:00:00Z"),
]);

describe("a request goes", () => {
  it.each([
    ["shop.example", "/", "front"],
    ["shop.example:8080", "/cart", "cart"],
    ["SHOP.example", "/cart/7", "cart"],
    ["shop.example", "/cartoon", "front"],
    ["shop.example", "/cart/exact", "exact"],
    ["a.shop.example", "/x", "tenant"],
    ["a.b.shop.example", "/x", "fallback"],
    ["other.example", "/testpath/a", "test"],
    ["other.example", "/testpathology", "fallback"],
  ])("%s%s to %s", (host, path, expected) => {
    expect(match(table, host, path)?.backend.service?.name).toBe(expected);
  });

  it("nowhere without a matching rule or default backend", () => {
    expect(match(routeTable([]), "x", "/")).toBeUndefined();
  });
});

it("finds the certificate of a host", () => {
  expect(certificateFor(table, "shop.example")).toEqual({ namespace: "default", secret: "shop-tls" });
  expect(certificateFor(table, "other.example")).toBeUndefined();
});
