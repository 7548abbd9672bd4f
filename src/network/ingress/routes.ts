import type { HTTPIngressPath, Ingress, IngressBackend } from "../../api/types/networking.v1.ts";

/** Where requests for a host and path go. */
interface Route {
  path: string;
  exact: boolean;
  namespace: string;
  backend: IngressBackend;
}

/** All routes of all Ingresses, ready for look-ups. */
export interface RouteTable {
  hosts: Map<string, Route[]>;
  /** Served when nothing else matches. */
  fallback: { namespace: string; backend: IngressBackend } | undefined;
  /** Host ("" for all, "*.example.com") -> the Secret with its certificate. */
  certificates: Map<string, { namespace: string; secret: string }>;
}

/** Orders the rules of these Ingresses; among equals the oldest Ingress wins. A pure function. */
export function routeTable(ingresses: readonly Ingress[]): RouteTable {
  const table: RouteTable = { hosts: new Map(), fallback: undefined, certificates: new Map() };
  for (const ingress of [...ingresses].sort(byAge)) {
    const { namespace } = ingress.metadata;
    for (const rule of ingress.spec.rules ?? []) {
      const host = (rule.host ?? "").toLowerCase();
      const routes = table.hosts.get(host) ?? [];
      routes.push(...(rule.http?.paths ?? []).map((path) => routeOf(namespace, path)));
      table.hosts.set(host, routes);
    }
    for (const tls of ingress.spec.tls ?? [])
      for (const host of tls.hosts?.length ? tls.hosts : [""])
        if (tls.secretName && !table.certificates.has(host))
          table.certificates.set(host.toLowerCase(), { namespace, secret: tls.secretName });
    if (ingress.spec.defaultBackend) table.fallback ??= { namespace, backend: ingress.spec.defaultBackend };
  }
  // Exact paths first, then the longest; sort is stable, so age decides among equals.
  for (const routes of table.hosts.values()) routes.sort((a, b) => Number(b.exact) - Number(a.exact) || b.path.length - a.path.length);
  return table;
}

function byAge(a: Ingress, b: Ingress): number {
  const [x, y] = [a, b].map((i) => `${i.metadata.creationTimestamp} ${i.metadata.namespace}/${i.metadata.name}`);
  return (x ?? "") < (y ?? "") ? -1 : 1;
}

function routeOf(namespace: string, path: HTTPIngressPath): Route {
  return { path: path.path || "/", exact: path.pathType === "Exact", namespace, backend: path.backend };
}

/** The backend for a request, undefined for 404: the exact host before a wildcard before rules without a host. */
export function match(table: RouteTable, host: string, path: string): { namespace: string; backend: IngressBackend } | undefined {
  for (const candidate of hostCandidates(host)) {
    const route = table.hosts.get(candidate)?.find((r) => matchesPath(r, path));
    if (route) return route;
  }
  return table.fallback;
}

/** The Secret with the certificate for a host, if an Ingress names one. */
export function certificateFor(table: RouteTable, host: string): { namespace: string; secret: string } | undefined {
  for (const candidate of hostCandidates(host)) {
    const certificate = table.certificates.get(candidate);
    if (certificate) return certificate;
  }
  return undefined;
}

function hostCandidates(host: string): string[] {
  const name = host.toLowerCase().replace(/:\d+$/, "");
  const dot = name.indexOf(".");
  return dot > 0 ? [name, `*${name.slice(dot)}`, ""] : [name, ""];
}

function matchesPath(route: Route, path: string): boolean {
  if (route.exact) return path === route.path;
  const prefix = route.path.endsWith("/") ? route.path.slice(0, -1) : route.path;
  return path === prefix || path.startsWith(`${prefix}/`);
}
