// Dependencies point one way (docs/architecture.md):
//   lib <- api <- store <- apiserver <- server
//          api <- client <- controllers, scheduler, kubelet, network, console, cli <- server, agent
const layers = {
  lib: [],
  api: ["lib"],
  pki: ["lib", "api"],
  store: ["lib", "api"],
  apiserver: ["lib", "api", "store", "pki"],
  client: ["lib", "api"],
  controllers: ["lib", "api", "client", "pki"],
  scheduler: ["lib", "api", "client"],
  kubelet: ["lib", "api", "client"],
  network: ["lib", "api", "client"],
  agent: ["lib", "api", "client", "pki", "kubelet", "network"],
  server: ["lib", "api", "store", "pki", "apiserver", "client", "controllers", "scheduler", "kubelet", "network", "agent"],
  cli: ["lib", "api", "client", "pki", "server", "agent"],
};

module.exports = {
  forbidden: [
    { name: "no-circular", severity: "error", from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } } },
    { name: "no-tests-in-source", severity: "error", from: { path: "^src" }, to: { path: "^(test|examples)" } },
    ...Object.entries(layers).map(([layer, allowed]) => ({
      name: `${layer}-may-not-import-that`,
      severity: "error",
      from: { path: `^src/${layer}/` },
      to: { path: "^src/", pathNot: `^src/(${[layer, ...allowed].join("|")})/` },
    })),
  ],
  options: { tsPreCompilationDeps: true, tsConfig: { fileName: "tsconfig.json" }, doNotFollow: { path: "node_modules" }, exclude: { path: "\\.d\\.json\\.ts$" } },
};
