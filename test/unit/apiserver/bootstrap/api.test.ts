import { expect, test } from "vitest";
import { bootstrap, type BootstrapWriter, type ServerFacts } from "../../../../src/apiserver/bootstrap/index.ts";
import { systemClock } from "../../../../src/lib/clock.ts";
import { openStore } from "../../../../src/store/open.ts";
import { startServer } from "../running-server.ts";

test("what the API makes of the objects (defaults, addresses) is no reason to write them again", async () => {
  const store = await openStore({ path: "memory" });
  const { server, client, stop } = await startServer({ store, listen: false });
  const writer: BootstrapWriter = {
    create: (resource, object) => client.create(resource, object),
    update: (resource, object, subresource) => client.update(resource, object, subresource ? { subresource } : {}),
  };
  const facts: ServerFacts = {
    address: "192.0.2.1",
    port: 6443,
    serviceCIDR: "10.43.0.0/16",
    serviceAddress: "10.43.0.1",
    clientAuthorities: "client authority",
    requestHeader: { authorities: "proxy authority", allowedNames: ["front-proxy-client"] },
    url: "https://192.0.2.1:6443",
    serverAuthorities: "server authority",
    localPath: true,
    ingress: true,
  };
  const start = () => bootstrap({ objects: server.objects, writer, facts, clock: systemClock });
  expect(await start()).toBeGreaterThan(150);
  const { revision } = store;
  expect(await start()).toBe(0);
  expect(store.revision).toBe(revision);
  await stop();
  await store.close();
});
