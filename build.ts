/** Makes dist/hue.js, one file of everything but the native SQLite addon, and its workers. Run by `npm run build`. */
import { rmSync } from "node:fs";
import { build } from "esbuild";

rmSync("dist", { recursive: true, force: true });
await build({
  entryPoints: { hue: "src/cli/main.ts", index: "src/index.ts" },
  outdir: "dist",
  bundle: true,
  splitting: true,
  platform: "node",
  target: "node24",
  format: "esm",
  minifySyntax: true,
  sourcemap: false,
  legalComments: "none",
  external: ["better-sqlite3", "ssh2", "cpu-features"],
  // CommonJS dependencies call require; a module bundle has to bring it along.
  banner: { js: 'import { createRequire as hueRequire } from "node:module"; const require = hueRequire(import.meta.url);' },
});
