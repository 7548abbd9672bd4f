import { Transform } from "node:stream";

const urlAttributes =
  "action|archive|background|cite|classid|codebase|data|formaction|href|icon|longdesc|manifest|poster|profile|src|usemap";
const tag = /<[a-z][^<>]*>/gi;
const attribute = new RegExp(`(\\s(?:${urlAttributes})\\s*=\\s*["']?)(/(?!/)[^"'\\s>]*)`, "gi");
/** So much of a page without the end of a tag is passed on as it is. */
const longestTag = 64 * 1024;

/** Where a proxied server's own paths are found from outside: what absolute links are rewritten to. */
export interface LinkBase {
  /** The proxy's path: "/api/v1/namespaces/ns/services/web/proxy". */
  prefix: string;
  /** The server's host as its own URLs name it ("10.42.0.7:8080"). */
  host: string;
}

/** The Location of a redirect as the client can follow it. Other servers' URLs stay as they are. */
export function rewriteLocation(location: string, { prefix, host }: LinkBase): string {
  if (location.startsWith("/") && !location.startsWith("//")) return prefix + location;
  for (const scheme of ["http://", "https://"])
    if (location === scheme + host || location.startsWith(`${scheme}${host}/`))
      return prefix + (location.slice(scheme.length + host.length) || "/");
  return location;
}

/** Rewrites the absolute links of an HTML page as it passes. A tag that is split between chunks is kept together. */
export function rewriteLinks({ prefix }: LinkBase): Transform {
  let rest = "";
  const rewriteOne = (whole: string, before: string, url: string): string =>
    url === prefix || url.startsWith(`${prefix}/`) ? whole : before + prefix + url;
  const rewrite = (html: string): string => html.replace(tag, (text) => text.replace(attribute, rewriteOne));
  return new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      // Latin-1 keeps every byte as it is; the attributes that matter are ASCII.
      const html = rest + chunk.toString("latin1");
      const open = html.lastIndexOf("<");
      const cut = open > html.lastIndexOf(">") && html.length - open < longestTag ? open : html.length;
      rest = html.slice(cut);
      callback(null, Buffer.from(rewrite(html.slice(0, cut)), "latin1"));
    },
    flush(callback) {
      callback(null, Buffer.from(rewrite(rest), "latin1"));
    },
  });
}
