import { hash } from "node:crypto";
import type { UserInfo } from "../../api/user.ts";
import type { TokenAuthenticator } from "./bearer-token.ts";

/**
 * The tokens of a --token-auth-file: lines of token,user,uid and optionally "group1,group2". Throws an Error that names the line.
 * Tokens are kept as digests, so that a look-up takes the same time for wrong ones.
 */
export function staticTokens(text: string, audiences: readonly string[]): TokenAuthenticator {
  const users = new Map<string, UserInfo>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [token, name, uid, groups] = splitCsv(line);
    if (!token || !name || uid === undefined) throw new Error(`token file, line ${index + 1}: expected token,user,uid[,"group1,group2"]`);
    users.set(digest(token), { name, ...(uid ? { uid } : {}), groups: groups ? groups.split(",").map((group) => group.trim()) : [] });
  }
  return {
    name: "static-token",
    authenticateToken(token, asked) {
      const user = users.get(digest(token));
      return user && { user, audiences: asked.filter((audience) => audiences.includes(audience)) };
    },
  };
}

function digest(token: string): string {
  return hash("sha256", token, "hex");
}

function splitCsv(line: string): string[] {
  const cells = line.match(/("([^"]|"")*"|[^,]*)(,|$)/g) ?? [];
  return cells
    .slice(0, line.endsWith(",") ? undefined : -1)
    .map((cell) => cell.replace(/,$/, "").trim())
    .map((cell) => (cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell));
}
