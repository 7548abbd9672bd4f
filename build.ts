/**
 * Makes dist: hue.js and index.js, the command and the library, everything in them but the native SQLite addon and re2js; what kubectl explain
 * tells; and dist/types, the library's declarations. Run by `npm run build`, and by npm itself before it starts or packs hue. With
 * --if-changed: only when a source is newer than what is there.
 */
import { spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build, type Plugin } from "esbuild";
import { extractDescriptions } from "./src/api/schema/extract-descriptions.ts";

/** What dependencies load at their start and hue never calls: a server of httpxy's own for HTTP/2, 3 MB. */
const neverCalled = /^node:http2$/;
const neverCalledBy = /node_modules[\\/]httpxy[\\/]/;

const leaveOutUnused: Plugin = {
  name: "leave-out-unused",
  setup(build) {
    build.onResolve({ filter: neverCalled }, ({ path, importer }) =>
      neverCalledBy.test(importer) ? { path, namespace: "unused" } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: "unused" }, () => ({ contents: "module.exports = {};", loader: "js" }));
  },
};

/** JSON.parse reads large data several times faster than the JavaScript parser does. */
const parsedJson: Plugin = {
  name: "parsed-json",
  setup(build) {
    build.onLoad({ filter: /src[\\/].*\.json$/ }, ({ path }) => {
      const text = JSON.stringify(JSON.parse(readFileSync(path, "utf8")));
      return { contents: `export default JSON.parse(${JSON.stringify(text)});`, loader: "js" };
    });
  },
};

/** Imported as a module, node:http would load what its getter WebSocket stands for: all of undici, 10 MB, whether it is used or not. */
const plainHttp: Plugin = {
  name: "plain-http",
  setup(build) {
    build.onResolve({ filter: /^(node:)?http$/ }, () => ({ path: "node:http", namespace: "built-in" }));
    build.onLoad({ filter: /.*/, namespace: "built-in" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
      loader: "js",
    }));
  },
};

function isCurrent(): boolean {
  if (!["dist/hue.js", "dist/index.js", "dist/types/index.d.ts"].every((file) => existsSync(file))) return false;
  const built = statSync("dist/types/index.d.ts").mtimeMs;
  return globSync(["src/**/*", "build.ts", "package-lock.json"]).every((file) => statSync(file).mtimeMs < built);
}

async function bundle(): Promise<void> {
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
    minifyWhitespace: true,
    sourcemap: false,
    legalComments: "none",
    external: ["better-sqlite3"],
    plugins: [leaveOutUnused, parsedJson, plainHttp],
    // CommonJS dependencies call require; a module bundle has to bring it along.
    banner: { js: 'import { createRequire as hueRequire } from "node:module"; const require = hueRequire(import.meta.url);' },
  });
}

/** V8 keeps a source in one byte a character only when all of them are Latin-1; esbuild leaves others in regular expressions. */
function escapeCharacters(): void {
  for (const file of globSync("dist/*.js")) {
    const text = readFileSync(file, "utf8");
    const ascii = text.replace(/[^\0-\x7f]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
    if (ascii !== text) writeFileSync(file, ascii);
  }
}

/** Types are the business of `npm run typecheck`: what tsc complains about here does not keep anybody from starting hue. */
function declarations(): void {
  const options = { noEmit: false, declaration: true, emitDeclarationOnly: true, rootDir: "../src", outDir: "types" };
  const config = { extends: "../tsconfig.json", compilerOptions: options, include: ["../src/index.ts", "../src/**/*.d.json.ts"] };
  writeFileSync("dist/tsconfig.json", JSON.stringify(config));
  const { stdout, error } = spawnSync("node_modules/.bin/tsc", ["-p", "dist/tsconfig.json"], { encoding: "utf8" });
  rmSync("dist/tsconfig.json");
  if (!existsSync("dist/types/index.d.ts")) throw new Error(`tsc has not written the declarations: ${error?.message ?? stdout}`);
}

/** What `kubectl explain` tells, out of the comments of the JavaScript client; without that package explain knows types and names only. */
function descriptions(): void {
  const models = "node_modules/@kubernetes/client-node/dist/gen/models";
  if (!existsSync(models)) return;
  const types = Object.keys(JSON.parse(readFileSync("src/api/schema/types.json", "utf8")));
  const modelText = (model: string): string | undefined => {
    const file = `${models}/${model}.d.ts`;
    return existsSync(file) ? readFileSync(file, "utf8") : undefined;
  };
  writeFileSync("dist/descriptions.json.gz", gzipSync(JSON.stringify(extractDescriptions(types, modelText)), { level: 9 }));
}

if (!process.argv.includes("--if-changed") || !isCurrent()) {
  await bundle();
  escapeCharacters();
  descriptions();
  declarations();
}
