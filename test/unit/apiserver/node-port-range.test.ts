import { expect, it } from "vitest";
import { Services } from "../../../src/api/types/resources.ts";
import { startServer } from "./running-server.ts";

it("gives node ports of the range that the server was told, and refuses others", async () => {
  const { client, stop } = await startServer({ listen: false, nodePorts: { first: 31000, last: 31001 } });
  const service = (name: string, nodePort?: number) => ({
    apiVersion: "v1" as const,
    kind: "Service" as const,
    metadata: { name, namespace: "default" },
    spec: { type: "NodePort" as const, selector: { app: "x" }, ports: [{ port: 80, ...(nodePort ? { nodePort } : {}) }] },
  });
  const given = await client.create(Services, service("a"));
  expect([31000, 31001]).toContain(given.spec.ports?.[0]?.nodePort);
  await expect(client.create(Services, service("b", 30080))).rejects.toThrow("The range of valid ports is 31000-31001");
  await stop();
});
